import type { Reading } from '../signals/reading.js';
import type { AlarmConfig } from './config.js';

interface Gated {
  readonly config: AlarmConfig;
}

/** As the scoring calls a state that nothing tells. */
const UNKNOWN_STATE = 'unknown';

const MAX_MACHINES = 1_000;

const NONE: readonly never[] = [];

/** Alarms that count only in some operating states, told by a point or by the states of their machine. */
export class AlarmGates<A extends Gated> {
  readonly #byPoint = new Map<string, A[]>();
  readonly #byMachine = new Map<string, A[]>();
  /** The last state that was told of each machine, and when, milliseconds since the Unix epoch. */
  readonly #states = new Map<string, { readonly state: string; readonly timeMs: number }>();

  /** @returns since when it does not count, where the state of its machine is known already; milliseconds */
  add(alarm: A, machine: string): number | undefined {
    const { point, state } = alarm.config.countsWhile ?? {};
    if (point !== undefined) append(this.#byPoint, point.replace('{machine}', machine), alarm);
    if (state === undefined) return undefined;
    append(this.#byMachine, machine, alarm);
    const told = this.#states.get(machine);
    return told === undefined || state.includes(told.state) ? undefined : told.timeMs;
  }

  /** The alarms that a reading gates, and whether they count; a bad one tells nothing. */
  onReading(reading: Reading): readonly (readonly [alarm: A, counts: boolean])[] {
    const gated = this.#byPoint.get(reading.point);
    if (gated === undefined || reading.quality === 'bad' || !Number.isFinite(reading.value)) return NONE;
    return gated.map((alarm) => {
      const { above = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } =
        alarm.config.countsWhile!;
      return [alarm, reading.value > above && reading.value < below];
    });
  }

  /** The same for a state of a machine. One that is not known neither suppresses nor brings back anything. */
  onState(machine: string, state: string, timeMs: number): readonly (readonly [alarm: A, counts: boolean])[] {
    if (state === UNKNOWN_STATE) return NONE;
    if (this.#states.size < MAX_MACHINES || this.#states.has(machine))
      this.#states.set(machine, { state, timeMs });
    const gated = this.#byMachine.get(machine) ?? NONE;
    return gated.map((alarm) => [alarm, alarm.config.countsWhile!.state!.includes(state)]);
  }

  /** Forgets the alarms; what the machines do is remembered. */
  clear(): void {
    this.#byPoint.clear();
    this.#byMachine.clear();
  }
}

function append<A>(map: Map<string, A[]>, key: string, alarm: A): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [alarm]);
  else known.push(alarm);
}

import type { MachineFacts } from '../../alarms/engine.js';
import { type AnalysisRule, applyRule } from '../../features/analysis-config.js';
import { findBearing } from '../../features/bearings.js';
import { defaultBlockLength } from '../../features/block-length.js';
import type { AnalysisSpec, BearingGeometry, GearGeometry } from '../../features/spec.js';
import type { MachineSize } from '../../features/zones.js';
import { declaredMeasures, type StatesConfig } from '../../scoring/states/config.js';
import type { WatchedMachine } from '../../scoring/watched-machine.js';
import { pointParts } from '../../signals/point.js';

/** What is known of a measuring point and the machine behind it. */
export interface PointContext {
  readonly point: string;
  readonly machine: string;
  readonly machineClass: string;
  readonly quantity: string;
  /** Kind of its sensor, and the tags of machine and sensor, where the config names them. */
  readonly sensor?: string;
  readonly tags?: readonly string[];
  readonly speedRpm?: number;
  readonly bearing?: BearingGeometry;
  readonly gear?: GearGeometry;
  /** Known where the nameplate tells power and mounting: it grades the vibration after ISO 20816-3. */
  readonly size?: MachineSize;
}

/** The machines of the config, asked by the names of their points. */
export class MachineRegistry {
  #machines: ReadonlyMap<string, WatchedMachine> = new Map();
  #tellers: Map<string, readonly string[]> = new Map();

  constructor(machines: readonly WatchedMachine[]) {
    this.replace(machines);
  }

  /** Other machines from now on. */
  replace(machines: readonly WatchedMachine[]): void {
    this.#machines = new Map(machines.map((machine) => [machine.id, machine]));
    this.#tellers = new Map();
    for (const { id, states } of machines) {
      if (states === undefined || typeof states === 'string') continue;
      for (const { point } of declaredMeasures(states, id))
        this.#tellers.set(point, [...(this.#tellers.get(point) ?? []), id]);
    }
  }

  /** How the operating states of a machine are known; found where the config does not say. */
  statesOf(machine: string): { readonly config: StatesConfig; readonly ratedRpm: number | undefined } {
    const known = this.#machines.get(machine);
    return { config: known?.states ?? 'found', ratedRpm: known?.nameplate.speedRpm };
  }

  /** The machines whose declared states a point tells. */
  tellersOf(point: string): readonly string[] {
    return this.#tellers.get(point) ?? [];
  }

  /** Class of a machine; `machine` where the config does not name it. */
  classOf(machine: string): string {
    return this.#machines.get(machine)?.class ?? 'machine';
  }

  /** What the alarms need to know of a machine. */
  factsOf(machine: string): MachineFacts {
    const { powerKw, mounting } = this.#machines.get(machine)?.nameplate ?? {};
    const known = powerKw !== undefined && mounting !== undefined;
    return { class: this.classOf(machine), ...(known ? { size: { powerKw, mounting } } : {}) };
  }

  contextOf(point: string): PointContext {
    const { machine: id, position, quantity } = pointParts(point);
    const machine = this.#machines.get(id);
    const named = machine?.nameplate.bearings[position];
    const bearing = typeof named === 'string' ? findBearing(named) : named;
    const { speedRpm, powerKw, mounting } = machine?.nameplate ?? {};
    const teeth = machine?.nameplate.gears[position];
    const sensors = [machine?.sensors[`${position}.${quantity}`], machine?.sensors[position]];
    const sensor = sensors.find((of) => of?.type !== undefined)?.type;
    const tags = [...new Set([...(machine?.tags ?? []), ...sensors.flatMap((of) => of?.tags ?? [])])];
    return {
      point,
      machine: id,
      machineClass: this.classOf(id),
      quantity,
      ...(sensor === undefined ? {} : { sensor }),
      ...(tags.length === 0 ? {} : { tags }),
      ...(speedRpm === undefined ? {} : { speedRpm }),
      ...(bearing === undefined ? {} : { bearing }),
      ...(teeth === undefined ? {} : { gear: { teeth } }),
      ...(powerKw === undefined || mounting === undefined ? {} : { size: { powerKw, mounting } }),
    };
  }
}

/** How the blocks of a point are analysed: by its machine, unless a rule of the config says otherwise. */
export function analysisSpecOf(
  context: PointContext,
  sampleRateHz: number,
  unit: string,
  rule?: AnalysisRule,
): AnalysisSpec {
  const { speedRpm, bearing, gear, size, quantity } = context;
  const spec = {
    sampleRateHz,
    unit,
    quantity,
    blockLength: defaultBlockLength(sampleRateHz, speedRpm),
    ...(speedRpm === undefined ? {} : { speedRpm }),
    ...(bearing === undefined ? {} : { bearing }),
    ...(gear === undefined ? {} : { gear }),
    ...(size === undefined ? {} : { machine: size }),
  };
  return applyRule(spec, rule);
}

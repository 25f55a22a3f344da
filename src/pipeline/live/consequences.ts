import type { AlarmEngine, AlarmTransition } from '../../alarms/engine.js';
import type { AlarmThread } from '../../alarms/record.js';
import { toSmEdgeError } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { Reading } from '../../signals/reading.js';
import type { Store } from '../../storage/store.js';
import type { Announcer } from '../announcements/announcer.js';
import type { Assessment } from '../assessment/assessor.js';
import type { MachineHealth } from '../machines/machine-health.js';
import type { StateChange } from '../machines/operating-states.js';
import type { PointBoard } from '../machines/point-board.js';
import type { LiveMetrics } from './metrics.js';
import type { Trends } from './trends.js';
import type { UnderWay } from './under-way.js';

export interface ConsequencesDeps {
  readonly newId: NewId;
  readonly store: Pick<Store, 'save'>;
  readonly alarms: AlarmEngine;
  readonly announcer: Announcer;
  readonly board: PointBoard;
  readonly health: MachineHealth;
  readonly trends: Trends;
  readonly underWay: UnderWay;
  readonly unsaved: LiveMetrics['counters']['unsaved'];
  /** Told of alarms that changed, before they are journaled. */
  readonly onTransitions: (transitions: readonly AlarmTransition[], correlationId: string) => void;
}

/** What follows from a value, a score or a state, wherever it came from: rows to store, alarms, derived points. */
export class Consequences {
  readonly #deps: ConsequencesDeps;
  /** What the batch that is taken in led to. */
  #announced: Promise<void>[] = [];

  constructor(deps: ConsequencesDeps) {
    this.#deps = deps;
  }

  /** Stores what nobody waits for; what the store does not take is counted. */
  save(batch: Parameters<Store['write']>[0]): void {
    const { store, underWay, unsaved } = this.#deps;
    underWay.follow(
      store.save(batch).catch((thrown) => {
        unsaved.inc({ code: toSmEdgeError(thrown).code });
      }),
    );
  }

  /** Resolves when it is journaled. Nobody has to wait for it: what fails is logged. */
  announce(
    transitions: readonly AlarmTransition[],
    correlationId: string,
    anomaly?: AlarmThread,
  ): Promise<void> {
    const announced = this.#deps.announcer.transitions(transitions, correlationId, anomaly);
    this.#deps.onTransitions(transitions, correlationId);
    this.#announced.push(announced);
    this.#deps.underWay.follow(announced);
    return announced;
  }

  /** A batch is taken in from now on. */
  beginBatch(): void {
    this.#announced = [];
  }

  /** Resolves when all that the batch led to is journaled, or has failed. */
  async batchTold(): Promise<void> {
    if (this.#announced.length > 0) await Promise.allSettled(this.#announced);
  }

  /** What was said of a point is shown, and counts for its machine: whose index is a point that alarms can name. */
  assessed(point: string, timeMs: number, assessment: Assessment): void {
    const { board, health, newId, alarms } = this.#deps;
    board.assessed(point, timeMs, assessment);
    const index = health.assessed(point, timeMs, assessment);
    if (index === undefined) return;
    board.reading(index);
    this.save({ readings: [index] });
    const transitions = [...alarms.evaluateReading(index), ...this.followTrend(index)];
    if (transitions.length > 0) void this.announce(transitions, newId());
  }

  /** Machines went to another state: alarms may count in it, or not. */
  statesChanged(changes: readonly StateChange[]): void {
    for (const { machine, state, timeMs } of changes) {
      const transitions = this.#deps.alarms.evaluateState(machine, state.name, timeMs);
      if (transitions.length > 0) void this.announce(transitions, this.#deps.newId());
    }
  }

  /** Slope and rate are points that alarms can name; they have no trends and scores of their own. */
  followTrend(reading: Reading): AlarmTransition[] {
    const trend = this.#deps.trends.add(reading);
    if (trend === undefined) return [];
    this.save(trend.batch);
    for (const derived of trend.derived) this.#deps.board.reading(derived);
    return trend.derived.flatMap((derived) => this.#deps.alarms.evaluateReading(derived));
  }
}

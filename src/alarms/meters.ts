import type { Metrics } from '../base/metrics.js';
import type { Priority } from './config.js';
import { FLOOD_ABOVE } from './load.js';
import type { AlarmStateName } from './transition.js';

const TEN_MINUTES_MS = 600_000;
/** Alarms of ten minutes whose times are kept: far more than a flood. */
const MOST_TIMES = 1_000;

/** What the alarms count of themselves, for a dashboard: how many are in which state, how many came, whether they flood. */
export class AlarmMeters {
  readonly #states;
  readonly #changes;
  readonly #recent;
  readonly #flood;
  readonly #count = new Map<string, number>();
  #times: number[] = [];

  constructor(metrics: Metrics) {
    this.#states = metrics.gauge('sm_edge_alarms', 'Alarms that are not normal, by state.', [
      'state',
      'severity',
    ]);
    this.#changes = metrics.counter(
      'sm_edge_alarms_changes_total',
      'Changes of alarms, by what they became.',
      ['to', 'severity'],
    );
    this.#recent = metrics.gauge(
      'sm_edge_alarms_last_ten_minutes',
      'Alarms that came in the last ten minutes.',
    );
    this.#flood = metrics.gauge(
      'sm_edge_alarms_flood',
      `1 while more than ${FLOOD_ABOVE} alarms came in the last ten minutes.`,
    );
  }

  changed(from: AlarmStateName, to: AlarmStateName, severity: Priority, nowMs: number): void {
    this.present(from, severity, -1);
    this.present(to, severity, 1);
    this.#changes.inc({ to, severity });
    if (to !== 'unacknowledged' || this.#times.length >= MOST_TIMES) return;
    this.#times.push(nowMs);
    this.#tell();
  }

  /** `count` more alarms are in a state. */
  present(state: AlarmStateName, severity: Priority, count: number): void {
    if (state === 'normal') return;
    const key = `${state} ${severity}`;
    const total = (this.#count.get(key) ?? 0) + count;
    this.#count.set(key, total);
    this.#states.set({ state, severity }, total);
  }

  /** Other definitions: the alarms are counted anew. */
  reset(): void {
    this.#count.clear();
    this.#states.reset();
  }

  /** Time went by. */
  tick(nowMs: number): void {
    // A clock that was set back must not keep them for ever.
    const kept = this.#times.filter((timeMs) => Math.abs(nowMs - timeMs) < TEN_MINUTES_MS);
    if (kept.length === this.#times.length) return;
    this.#times = kept;
    this.#tell();
  }

  #tell(): void {
    this.#recent.set(this.#times.length);
    this.#flood.set(this.#times.length > FLOOD_ABOVE ? 1 : 0);
  }
}

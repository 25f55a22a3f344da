import { SmEdgeError } from '../base/errors.js';
import { Baseline, type BaselineOptions } from './baseline.js';
import type { FeatureVector, Score } from './score.js';
import { MOST_STATES } from './states/config.js';
import { type OperatingState, RUNNING, teaches } from './states/state.js';

/** What a baseline of a point says of a value, and why it says nothing. */
export interface StateScore {
  readonly score: Score | undefined;
  readonly silent?: string;
}

/** What is usual at a point in each steady state of its machine: one baseline each, learned apart. */
export class StateBaselines {
  readonly #options: BaselineOptions;
  /** In the order of use, the longest unused first. */
  readonly #baselines = new Map<string, Baseline>();

  constructor(options: BaselineOptions) {
    this.#options = options;
  }

  /** Throws `BASELINE_STATE` where the document is none. A baseline from before there were states is that of `running`. */
  static fromJSON(document: unknown, options: BaselineOptions): StateBaselines {
    const { baseline, states } = (document ?? {}) as { baseline?: unknown; states?: unknown };
    const all = new StateBaselines(options);
    if (states === undefined) {
      all.#baselines.set(RUNNING.name, Baseline.fromJSON(baseline, options));
      return all;
    }
    if (typeof states !== 'object' || states === null)
      throw new SmEdgeError('BASELINE_STATE', 'not stored baselines of states', {
        hint: 'They are learned again from the next values.',
      });
    for (const [state, stored] of Object.entries(states).slice(-MOST_STATES))
      all.#baselines.set(state, Baseline.fromJSON(stored, options));
    return all;
  }

  toJSON(): { readonly states: Readonly<Record<string, unknown>> } {
    return {
      states: Object.fromEntries([...this.#baselines].map(([state, baseline]) => [state, baseline.toJSON()])),
    };
  }

  /** The baseline of a steady state, where the point has one. */
  get(state: string = RUNNING.name): Baseline | undefined {
    return this.#baselines.get(state);
  }

  /** States of which something was learned. */
  get states(): string[] {
    return [...this.#baselines.keys()];
  }

  /** Scores a vector by the baseline of the state and learns it, or by all of them where the state is not known. */
  update(vector: FeatureVector, state: OperatingState, timeMs?: number): StateScore {
    if (!teaches(state)) return this.#least(vector);
    let baseline = this.#baselines.get(state.name);
    if (baseline === undefined) {
      baseline = new Baseline(this.#options);
      const [oldest] = this.#baselines.keys();
      if (this.#baselines.size >= MOST_STATES && oldest !== undefined) this.#baselines.delete(oldest);
    } else this.#baselines.delete(state.name);
    this.#baselines.set(state.name, baseline);
    const score = baseline.update(vector, timeMs);
    if (score !== undefined) return { score };
    const { minimumCount } = this.#options;
    return {
      score,
      silent: `new in the state ${state.name}: ${baseline.count} of ${minimumCount} values learned`,
    };
  }

  /**
   * Without a state a vector is anomalous only where it is so in every state, and more of something, not less: it may
   * be that the machine stands still.
   */
  #least(vector: FeatureVector): StateScore {
    let least: Score | undefined;
    for (const baseline of this.#baselines.values()) {
      const [largest] = baseline.deviations(vector);
      const score = largest === undefined || largest.z < 0 ? undefined : baseline.score(vector);
      if (score === undefined) return { score: undefined, silent: 'the state of the machine is not known' };
      if (least === undefined || score.score < least.score) least = score;
    }
    return { score: least };
  }
}

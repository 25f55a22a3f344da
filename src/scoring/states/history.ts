import { isTransient, type OperatingState, RUN_UP, sameState } from './state.js';

interface Span {
  readonly fromMs: number;
  readonly state: OperatingState;
}

/** Changes of state that are remembered: blocks that come later than so many are of an unknown state. */
const MOST_SPANS = 256;

/** The states of one machine in order of time. */
export class StateHistory {
  #spans: Span[] = [];

  /** From `fromMs` on it is in `state`; what was noted from then on before is overwritten. */
  note(fromMs: number, state: OperatingState): void {
    let last = this.#spans.at(-1);
    while (last !== undefined && last.fromMs >= fromMs) {
      this.#spans.pop();
      last = this.#spans.at(-1);
    }
    if (sameState(last?.state, state)) return;
    this.#spans.push({ fromMs, state });
    if (this.#spans.length > MOST_SPANS) this.#spans.shift();
  }

  get now(): OperatingState | undefined {
    return this.#spans.at(-1)?.state;
  }

  /** Since when the newest state lasts, milliseconds. */
  get sinceMs(): number | undefined {
    return this.#spans.at(-1)?.fromMs;
  }

  /** The state of a whole span of time: a change within it makes it a transient. Undefined before the first. */
  over(fromMs: number, toMs: number): OperatingState | undefined {
    const { length } = this.#spans;
    let first = length - 1;
    while (first >= 0 && this.#spans[first]!.fromMs > fromMs) first--;
    if (first < 0) return undefined;
    let found = this.#spans[first]!.state;
    for (let i = first + 1; i < length && this.#spans[i]!.fromMs < toMs; i++) {
      const { state } = this.#spans[i]!;
      if (sameState(found, state)) continue;
      if (isTransient(state)) found = state;
      else if (!isTransient(found)) found = RUN_UP;
    }
    return found;
  }

  clear(): void {
    this.#spans = [];
  }
}

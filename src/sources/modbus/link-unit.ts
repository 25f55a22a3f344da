import type { SmEdgeError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { Breaker } from './breaker.js';

/** No probe has a shorter deadline, ms: a device that was switched on is busy with itself. */
const SHORTEST_PROBE_MS = 100;
/** A probe waits so many times the slowest answer that the unit gave lately. */
const PROBE_MARGIN = 4;
/** Share by which the memory of a slow answer fades at each quicker one. */
const FADE = 0.01;

/** What is known of one unit on a link, whichever sources ask it. */
export class LinkUnit {
  readonly breaker: Breaker;
  readonly #timeoutMs: number;
  #slowestMs: number | undefined;
  #lastFault: SmEdgeError | undefined;

  constructor(options: { random: Random; timeoutMs: number; units: () => Iterable<LinkUnit> }) {
    this.#timeoutMs = options.timeoutMs;
    this.breaker = new Breaker({
      random: options.random,
      probeCostMs: () =>
        [...options.units()]
          .filter(({ breaker }) => breaker.isOpen)
          .reduce((sum, unit) => sum + unit.probeTimeoutMs, 0),
      isAlone: () => [...options.units()].length === 1,
    });
  }

  /** Takes note of how long an answer took, ms. */
  answered(durationMs: number): void {
    const faded = (this.#slowestMs ?? 0) * (1 - FADE);
    this.#slowestMs = Math.max(durationMs, faded);
  }

  /** A request came to nothing since the unit does not answer, or its gateway cannot reach it. */
  fail(nowMs: number, fault: SmEdgeError): void {
    this.#lastFault = fault;
    this.breaker.fail(nowMs);
  }

  /** Why it is taken for dead, in a few words; undefined while it is not. */
  get deadReason(): string | undefined {
    if (!this.breaker.isOpen) return undefined;
    const { exception } = this.#lastFault?.details ?? {};
    if (exception === 10) return 'the gateway has no path to unit';
    return exception === 11 ? 'the gateway gets no answer from unit' : 'no answer from unit';
  }

  /** Deadline of a probe of this unit while it is dead, ms. */
  get probeTimeoutMs(): number {
    if (this.#slowestMs === undefined || this.breaker.isFullProbe) return this.#timeoutMs;
    return Math.min(this.#timeoutMs, Math.max(SHORTEST_PROBE_MS, PROBE_MARGIN * this.#slowestMs));
  }
}

/** The units of one link. */
export class LinkUnits {
  readonly #units = new Map<number, LinkUnit>();
  readonly #random: Random;
  readonly #timeoutMs: number;

  constructor(options: { random: Random; timeoutMs: number }) {
    this.#random = options.random;
    this.#timeoutMs = options.timeoutMs;
  }

  of(unitId: number): LinkUnit {
    const known = this.#units.get(unitId);
    if (known !== undefined) return known;
    const unit = new LinkUnit({
      random: this.#random,
      timeoutMs: this.#timeoutMs,
      units: () => this.#units.values(),
    });
    this.#units.set(unitId, unit);
    return unit;
  }

  reset(): void {
    for (const { breaker } of this.#units.values()) breaker.reset();
  }
}

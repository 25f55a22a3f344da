import { pointMatcher } from '../../signals/point-pattern.js';
import type { QualityReason } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import { blockDurationMs, type SampleBlock } from '../../signals/sample-block.js';
import { checkBlock } from './block-check.js';
import { DEFAULT_RULE, type QualityRule } from './config.js';
import { RateMeter } from './rate-meter.js';

/** A point whose signal has not been good for a while. */
export interface Trouble {
  readonly point: string;
  readonly reason: QualityReason;
  readonly text: string;
}

/** What the judge needs to know of time at the moment of a delivery. */
export interface JudgeTime {
  readonly nowMs: number;
  readonly monotonicMs: number;
  /** The gateway's clock is not set: what is stamped by it is doubtful. */
  readonly unsynchronised: boolean;
}

interface PointState {
  readonly rule: QualityRule;
  readonly meter: RateMeter;
  /** Where the next block starts if it follows the last, and the last one's number. */
  endMs: number | undefined;
  sequence: number | undefined;
  /** Newest scalar value, and since when it is the same, monotonic milliseconds. */
  value: number | undefined;
  sameSinceMs: number;
  /** What is wrong now, since when, and how the technician is told. */
  finding: Trouble | undefined;
  sinceMs: number;
  /** When something was last wrong. */
  wrongMs: number;
  /** When the point was last heard (where it never was: since when it is waited for), and what came last. */
  heardMs: number;
  last: Reading | undefined;
  silent: boolean;
}

/** Points that are remembered at most: a wildcard subscription must not fill the memory with names. */
const MAX_POINTS = 10_000;
/** A finding becomes a trouble when it has lasted this long, and is over when nothing was found for so long. */
const TROUBLE_AFTER_MS = 3_000;
const OVER_AFTER_MS = 10_000;
/** A device's time this far ahead of the gateway's is wrong: nothing was measured in the future. */
const AHEAD_MS = 60_000;
/** Before this no sensor had a network: a device's clock that was never set starts at 1970 or 2000. */
const OLDEST_MS = Date.UTC(2001, 0, 1);

/** Judges what one source delivers: the quality that its driver gave, made worse where the signal itself is wrong. */
export class Judge {
  readonly #rules: readonly { readonly matches: (point: string) => boolean; readonly rule: QualityRule }[];
  /** Blocks come about as fast as they are sampled: only then their rate can be measured. */
  readonly #paced: boolean;
  readonly #points = new Map<string, PointState>();
  /** Those whose silence is reported. */
  readonly #listened = new Map<string, PointState>();

  /** `startedMs` (monotonic) is when the source began to be waited for. */
  constructor(rules: readonly QualityRule[], paced: boolean, startedMs = 0) {
    this.#rules = rules.map((rule) => {
      const matchers = rule.points.map(pointMatcher);
      return { rule, matches: (point) => matchers.some((matches) => matches(point)) };
    });
    this.#paced = paced;
    // Points that are named in full are missed even where they were never heard.
    for (const { points, silence } of rules)
      for (const name of points)
        if (silence !== undefined && !name.includes('*')) {
          const state = this.#stateOf(name);
          if (state !== undefined) state.heardMs = startedMs;
        }
  }

  reading(reading: Reading, time: JudgeTime): Reading {
    const state = this.#stateOf(reading.point);
    if (state === undefined) return reading;
    state.last = reading;
    // Its driver says that it heard nothing.
    if (reading.reason !== 'timeout') this.#heard(state, time);
    if (reading.quality === 'bad') return reading;
    const doubtful = doubtfulTime(reading.timeMs, time);
    const { constant, ignore } = state.rule;
    if (reading.value !== state.value) {
      state.value = reading.value;
      state.sameSinceMs = time.monotonicMs;
    } else if (constant !== undefined && !ignore.includes('constant')) {
      const sameMs = time.monotonicMs - state.sameSinceMs;
      if (sameMs >= constant) {
        const text = `it has stood at ${reading.value} ${reading.unit} for ${Math.round(sameMs / 1000)} s`;
        this.#found(state, { point: reading.point, reason: 'constant', text }, time);
        return { ...reading, quality: 'bad', reason: 'constant' };
      }
    }
    if (doubtful !== undefined && reading.quality === 'good') {
      this.#found(state, { point: reading.point, reason: 'clock-unsynchronised', text: doubtful }, time);
      return { ...reading, quality: 'uncertain', reason: 'clock-unsynchronised' };
    }
    this.#clear(state, time);
    return reading;
  }

  block(block: SampleBlock, time: JudgeTime): SampleBlock {
    const state = this.#stateOf(block.point);
    if (state !== undefined) this.#heard(state, time);
    if (state === undefined || block.quality === 'bad') return block;
    const { point } = block;
    if (this.#paced)
      state.meter.add(block.samples.length, block.sampleRateHz, time.monotonicMs, follows(state, block));
    state.endMs = block.startTimeMs + blockDurationMs(block);
    state.sequence = block.sequence;
    const finding = checkBlock(block, state.rule);
    if (finding !== undefined) {
      this.#found(state, { point, reason: finding.reason, text: finding.text }, time);
      return { ...block, quality: finding.quality, reason: finding.reason };
    }
    const { ratio } = state.meter;
    const { sampleRateTolerance, ignore } = state.rule;
    if (
      ratio !== undefined &&
      Math.abs(ratio - 1) * 100 > sampleRateTolerance &&
      !ignore.includes('sample-rate')
    ) {
      const measured = Number((block.sampleRateHz * ratio).toPrecision(4));
      const text = `${block.sampleRateHz} Hz are declared, ${measured} Hz are measured: frequencies are off by as much`;
      this.#found(state, { point, reason: 'sample-rate', text }, time);
      return block.quality === 'good' ? { ...block, quality: 'uncertain', reason: 'sample-rate' } : block;
    }
    const doubtful = doubtfulTime(block.startTimeMs, time);
    if (doubtful !== undefined) {
      this.#found(state, { point, reason: 'clock-unsynchronised', text: doubtful }, time);
      return block.quality === 'good'
        ? { ...block, quality: 'uncertain', reason: 'clock-unsynchronised' }
        : block;
    }
    this.#clear(state, time);
    return block;
  }

  /** The points whose signals have been wrong for a while, worst known first in the order of their names. */
  troubles(monotonicMs: number): Trouble[] {
    const troubles: Trouble[] = [];
    for (const [point, { silent, heardMs, last }] of this.#listened) {
      if (!silent) continue;
      const seconds = Math.round((monotonicMs - heardMs) / 1000);
      const text =
        last === undefined ? `not heard since the start, ${seconds} s ago` : `not heard for ${seconds} s`;
      troubles.push({ point, reason: 'timeout', text });
    }
    for (const state of this.#points.values()) {
      if (state.finding === undefined) continue;
      if (monotonicMs - state.wrongMs > OVER_AFTER_MS) state.finding = undefined;
      else if (state.wrongMs - state.sinceMs >= TROUBLE_AFTER_MS) troubles.push(state.finding);
    }
    return troubles.sort((a, b) => a.point.localeCompare(b.point));
  }

  /** The points that have just fallen silent: the last value of each, which is not the present one any more. */
  fallenSilent({ nowMs, monotonicMs }: JudgeTime): Reading[] {
    const readings: Reading[] = [];
    for (const state of this.#listened.values()) {
      if (state.silent || monotonicMs - state.heardMs < state.rule.silence!) continue;
      state.silent = true;
      const { last } = state;
      if (last !== undefined && last.quality !== 'bad')
        readings.push({ ...last, timeMs: nowMs, value: Number.NaN, quality: 'bad', reason: 'timeout' });
    }
    return readings;
  }

  #heard(state: PointState, { monotonicMs }: JudgeTime): void {
    state.heardMs = monotonicMs;
    state.silent = false;
  }

  #found(state: PointState, finding: Trouble, { monotonicMs }: JudgeTime): void {
    if (state.finding?.reason !== finding.reason) state.sinceMs = monotonicMs;
    state.finding = finding;
    state.wrongMs = monotonicMs;
  }

  #clear(state: PointState, { monotonicMs }: JudgeTime): void {
    if (state.finding !== undefined && monotonicMs - state.wrongMs > OVER_AFTER_MS) state.finding = undefined;
  }

  #stateOf(point: string): PointState | undefined {
    const known = this.#points.get(point);
    if (known !== undefined) return known;
    if (this.#points.size >= MAX_POINTS) return undefined;
    const state: PointState = {
      rule: this.#rules.find(({ matches }) => matches(point))?.rule ?? DEFAULT_RULE,
      meter: new RateMeter(),
      endMs: undefined,
      sequence: undefined,
      value: undefined,
      sameSinceMs: 0,
      finding: undefined,
      sinceMs: 0,
      wrongMs: 0,
      heardMs: 0,
      last: undefined,
      silent: false,
    };
    this.#points.set(point, state);
    if (state.rule.silence !== undefined) this.#listened.set(point, state);
    return state;
  }
}

/** Does the block continue the one before? Its number says so, or else its time. */
function follows({ endMs, sequence }: PointState, block: SampleBlock): boolean {
  if (block.sequence !== undefined && sequence !== undefined) return block.sequence === sequence + 1;
  return endMs !== undefined && Math.abs(block.startTimeMs - endMs) <= blockDurationMs(block) / 2;
}

function doubtfulTime(timeMs: number, { nowMs, unsynchronised }: JudgeTime): string | undefined {
  if (unsynchronised) return 'the clock of the gateway is not set: look at NTP or the battery of its clock';
  if (timeMs > nowMs + AHEAD_MS) {
    const aheadS = Math.round((timeMs - nowMs) / 1000);
    return `the device's time is ${aheadS} s ahead of the gateway's: set the clock of the device`;
  }
  if (timeMs < OLDEST_MS) return 'the clock of the device was never set';
  return undefined;
}

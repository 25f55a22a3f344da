import { SmEdgeError } from '../base/errors.js';

/**
 * The regular course of a signal over a season (a day, a shift, a week), learned as it goes in 48 bins: the deviation of
 * each bin from a straight line through its season, averaged over the seasons. The slope of that line is what the mean
 * of the season changed against the one before (not a fit: a fit would take a part of the course for a trend), so the
 * first season only gives a level and the course is known after the second.
 */

const BINS = 48;
/** Seasons that are remembered: a later one counts this much less. */
const MEMORY = 5;
const MIN_SEASON_MS = 60_000;

/** What is kept over a restart. */
export interface SeasonState {
  readonly seasonMs: number;
  readonly seasons: number;
  readonly profile: readonly number[];
}

export class SeasonalProfile {
  readonly seasonMs: number;
  /** Sum and count of the readings in each bin of the season under way. */
  readonly #sums = new Float64Array(BINS);
  readonly #counts = new Float64Array(BINS);
  readonly #profile = new Float64Array(BINS);
  /** Mean of each of the last 48 bins, NaN where nothing was read. */
  readonly #means = new Float64Array(BINS).fill(Number.NaN);
  #bin = Number.NEGATIVE_INFINITY;
  #completed = 0;
  #seasons = 0;
  /** Mean of the whole season before. */
  #level = Number.NaN;

  /** @throws SmEdgeError `TREND_SEASON` */
  constructor(seasonMs: number) {
    if (!(seasonMs >= MIN_SEASON_MS) || !Number.isFinite(seasonMs))
      throw new SmEdgeError('TREND_SEASON', `a season of ${seasonMs} ms is shorter than a minute`);
    this.seasonMs = seasonMs;
  }

  /** Whole seasons that the course was learned from. */
  get seasons(): number {
    return this.#seasons;
  }

  add(timeMs: number, value: number): void {
    const bin = Math.floor((timeMs / this.seasonMs) * BINS);
    if (bin < this.#bin) return;
    if (bin > this.#bin) this.#moveTo(bin);
    const at = indexOf(bin);
    this.#sums[at]! += value;
    this.#counts[at]! += 1;
  }

  /** What the season adds at a time, linear between the middles of the bins; 0 until one was seen. */
  at(timeMs: number): number {
    if (this.#seasons === 0) return 0;
    const place = (timeMs / this.seasonMs) * BINS - 0.5;
    const below = Math.floor(place);
    const low = this.#profile[indexOf(below)]!;
    return low + (this.#profile[indexOf(below + 1)]! - low) * (place - below);
  }

  toJSON(): SeasonState {
    return { seasonMs: this.seasonMs, seasons: this.#seasons, profile: [...this.#profile] };
  }

  /** Takes up what was learned; false where it is of another season or damaged. */
  restore(state: unknown): boolean {
    const { seasonMs, seasons, profile } = (state ?? {}) as Partial<SeasonState>;
    const sound =
      seasonMs === this.seasonMs &&
      Number.isInteger(seasons) &&
      seasons! >= 0 &&
      Array.isArray(profile) &&
      profile.length === BINS &&
      profile.every(Number.isFinite);
    if (!sound) return false;
    this.#seasons = seasons!;
    this.#profile.set(profile!);
    return true;
  }

  /** Learns from the bins that are complete now. */
  #moveTo(bin: number): void {
    if (bin - this.#bin > BINS) {
      // A pause of a season and more: what was begun is of no use.
      this.#means.fill(Number.NaN);
      this.#completed = 0;
      this.#level = Number.NaN;
    } else {
      for (let done = this.#bin; done < bin; done++) this.#complete(done);
    }
    this.#bin = bin;
    this.#sums[indexOf(bin)] = 0;
    this.#counts[indexOf(bin)] = 0;
  }

  #complete(bin: number): void {
    const at = indexOf(bin);
    const count = this.#counts[at]!;
    this.#means[at] = count === 0 ? Number.NaN : this.#sums[at]! / count;
    this.#sums[at] = 0;
    this.#counts[at] = 0;
    this.#completed++;
    if (this.#completed % BINS === 0) this.#learn(bin);
  }

  /** The season that ends with `lastBin` is whole. */
  #learn(lastBin: number): void {
    const known: { at: number; place: number; mean: number }[] = [];
    for (let i = 0; i < BINS; i++) {
      const at = indexOf(lastBin - BINS + 1 + i);
      const mean = this.#means[at]!;
      if (!Number.isNaN(mean)) known.push({ at, place: i - (BINS - 1) / 2, mean });
    }
    const before = this.#level;
    const gappy = known.length < (BINS * 3) / 4;
    this.#level = gappy ? Number.NaN : known.reduce((sum, { mean }) => sum + mean, 0) / known.length;
    if (gappy || Number.isNaN(before)) return;
    const perBin = (this.#level - before) / BINS;
    const weight = 1 / Math.min(this.#seasons + 1, MEMORY);
    for (const { at, place, mean } of known)
      this.#profile[at]! += (mean - this.#level - perBin * place - this.#profile[at]!) * weight;
    this.#seasons++;
  }
}

const indexOf = (bin: number): number => (Number.isFinite(bin) ? ((bin % BINS) + BINS) % BINS : 0);

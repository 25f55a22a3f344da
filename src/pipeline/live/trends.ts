import { ruleFor, type TrendRule } from '../../features/analysis-config.js';
import { TrendWindow } from '../../features/trend.js';
import type { Reading } from '../../signals/reading.js';
import type { FeatureRow, Store, WriteBatch } from '../../storage/store.js';

/** Points that are followed; further ones are not. 64 pieces of nine numbers each: 5 KiB a point. */
const MAX_POINTS = 2_000;
/** The course of a season changes slowly: it is stored this often, milliseconds of data time. */
const SEASON_EVERY_MS = 3_600_000;

export const SEASON_PREFIX = 'season:';

/** The courses that were stored, by point. */
export async function learnedSeasons(
  store: Pick<Store, 'documents'>,
): Promise<[point: string, state: unknown][]> {
  const documents = await store.documents(SEASON_PREFIX);
  return documents.map(([key, state]) => [key.slice(SEASON_PREFIX.length), state]);
}

interface Followed {
  readonly rule: TrendRule;
  readonly window: TrendWindow;
  dueMs: number;
  seasonDueMs: number;
}

/** What a reading gave rise to: to be stored, and readings of derived points. */
export interface TrendResult {
  readonly batch: WriteBatch;
  readonly derived: readonly Reading[];
}

/** The trends of all scalar points: one window each, a row of features at every interval of data time. */
export class Trends {
  readonly #rules: readonly TrendRule[];
  readonly #followed = new Map<string, Followed | undefined>();
  readonly #seasons = new Map<string, unknown>();

  /** @param seasons courses that were learned before, by point */
  constructor(rules: readonly TrendRule[], seasons: Iterable<readonly [string, unknown]> = []) {
    this.#rules = rules;
    for (const [point, state] of seasons) this.#seasons.set(point, state);
  }

  /** Takes in a good reading; gives what is due, or undefined. */
  add({ point, timeMs, value, unit }: Reading): TrendResult | undefined {
    const followed = this.#of(point, timeMs);
    if (followed === undefined || !followed.window.add(timeMs, value)) return undefined;
    const { rule, window } = followed;
    if (timeMs < followed.dueMs) return undefined;
    followed.dueMs = timeMs + rule.every;
    const features = window.features();
    if (features === undefined) return undefined;
    const row: FeatureRow = {
      point,
      timeMs: timeMs - rule.window,
      durationMs: rule.window,
      features: Object.fromEntries(Object.entries(features).map(([name, v]) => [`trend.${name}`, v])),
    };
    const derived = rule.publish
      ? [
          derivedReading(`${point}.slope`, timeMs, features.slopePerH, unit),
          derivedReading(`${point}.rate`, timeMs, features.ratePerH, unit),
        ]
      : [];
    const documents = [];
    if (window.season !== undefined && window.season.seasons > 0 && timeMs >= followed.seasonDueMs) {
      followed.seasonDueMs = timeMs + SEASON_EVERY_MS;
      documents.push({ key: `${SEASON_PREFIX}${point}`, document: window.season.toJSON() });
    }
    return { batch: { features: [row], readings: derived, documents }, derived };
  }

  #of(point: string, timeMs: number): Followed | undefined {
    if (this.#followed.has(point)) return this.#followed.get(point);
    if (this.#followed.size >= MAX_POINTS) return undefined;
    const rule = ruleFor(this.#rules, point);
    const followed = rule === undefined ? undefined : this.#begin(point, rule, timeMs);
    this.#followed.set(point, followed);
    return followed;
  }

  #begin(point: string, rule: TrendRule, timeMs: number): Followed {
    const window = new TrendWindow({
      windowMs: rule.window,
      ...(rule.season === undefined ? {} : { seasonMs: rule.season }),
    });
    window.season?.restore(this.#seasons.get(point));
    this.#seasons.delete(point);
    return { rule, window, dueMs: timeMs + rule.every, seasonDueMs: timeMs };
  }
}

const derivedReading = (point: string, timeMs: number, value: number, unit: string): Reading => ({
  point,
  timeMs,
  value,
  unit: `${unit}/h`,
  quality: 'good',
});

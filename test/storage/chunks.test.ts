import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { ChunkStore } from '#sm/storage/chunks/chunk-store.js';
import { rowsBetween } from '#sm/storage/chunks/queries.js';
import type { Columns } from '#sm/storage/codec/chunk.js';
import { MIGRATIONS } from '#sm/storage/migrations/index.js';
import { aggregate } from '#sm/storage/rollups/aggregate.js';
import { LEVELS } from '#sm/storage/rollups/levels.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';

const db = new SqliteDatabase(':memory:');
for (const migrate of MIGRATIONS) migrate(db);
afterAll(() => db.close());

interface Row {
  readonly timeUs: number;
  readonly value: number;
  readonly code: number;
}

const START_US = 1_767_225_600_000_000;
const MINUTE_US = 60e6;

const columnsOf = (rows: readonly Row[]): Columns => ({
  timesUs: Float64Array.from(rows, ({ timeUs }) => timeUs),
  doubles: [Float64Array.from(rows, ({ value }) => value)],
  codes: [Uint8Array.from(rows, ({ code }) => code)],
  texts: [],
});

const rowsOf = ({ timesUs, doubles, codes }: Columns): Row[] =>
  Array.from(timesUs, (timeUs, i) => ({ timeUs, value: doubles[0]![i]!, code: codes[0]![i]! }));

/** The plain reference: rows in order of time, each time and value once, of one time in the order in which they came. */
class Reference {
  #rows: Row[] = [];
  readonly #known = new Set<string>();

  add(rows: readonly Row[]): void {
    for (const row of rows) {
      const key = `${row.timeUs} ${Object.is(row.value, -0) ? '-0' : row.value}`;
      if (this.#known.has(key)) continue;
      this.#known.add(key);
      this.#rows.push(row);
    }
    this.#rows.sort((a, b) => a.timeUs - b.timeUs);
  }

  between(fromUs: number, toUs: number): Row[] {
    return this.#rows.filter(({ timeUs }) => timeUs >= fromUs && timeUs < toUs);
  }
}

type Step = { kind: 'write'; rows: Row[] } | { kind: 'seal'; steps: number } | { kind: 'restart' };

/** Batches with late, repeated and same-time readings over some days; a value often comes again. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.integer({ min: 0, max: 3 * 1440 }),
        fc.constantFrom(1, 1, 3, 40, 1_100),
        fc.constantFrom(1_000_000, 7_000_000, 0),
        fc.integer({ min: 0, max: 1_000 }),
      )
      .map(([minute, count, stepUs, seed]): Step => {
        const random = seededRandom(seed);
        const rows = Array.from({ length: count }, (_, i) => {
          const kind = Math.floor(random() ** 3 * 4);
          const value = [Math.floor(random() * 50) / 10, -0, Number.NaN, random() * 1e6][kind]!;
          // A value that comes again has the same quality: it is the same reading.
          const code = [0, 0, 0, 1, 2 + 4][Math.floor(value * 10) % 5] ?? 2;
          return { timeUs: START_US + minute * MINUTE_US + i * stepUs, value, code };
        });
        return { kind: 'write', rows };
      }),
  },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 }).map((steps): Step => ({ kind: 'seal', steps })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
);

let points = 0;

/** Does the steps on a store and on the reference; a transaction is now and then rolled back. */
function run(steps: readonly Step[]) {
  const point = `p-${points++}.x`;
  let store = new ChunkStore(db);
  const reference = new Reference();
  for (const [index, one] of steps.entries()) {
    if (one.kind === 'restart') store = new ChunkStore(db);
    if (one.kind === 'seal') for (let i = 0; i < one.steps; i++) store.sealStep();
    if (one.kind !== 'write') continue;
    const failing = index % 5 === 4;
    try {
      db.transaction(() => {
        const series = store.series.ensure(point, 'readings', 'degC');
        if (one.rows.length === 3) {
          for (const { timeUs, value, code } of one.rows) store.appendReading(series.id, timeUs, value, code);
        } else store.append(series, columnsOf(one.rows));
        store.flush();
        if (failing) throw new Error('the disk is full');
      })();
      store.settle(true);
      reference.add(one.rows);
    } catch (thrown) {
      if (!failing) throw thrown;
      store.settle(false);
    }
  }
  return { point, store, reference, series: store.series.ofPoint(point, 'readings')[0] };
}

const order = ({ timeUs, value, code }: Row) => `${timeUs} ${Object.is(value, -0) ? '-0' : value} ${code}`;

describe('the chunks of a series', () => {
  it('are what a plain list would be, whatever comes late, twice, before a restart or between steps of sealing', () => {
    const spans = fc.tuple(fc.integer({ min: 0, max: 4400 }), fc.integer({ min: 0, max: 3000 }));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 14 }), spans, (steps, [from, length]) => {
        const { store, reference, series } = run(steps);
        if (series === undefined) return;
        const fromUs = START_US + from * MINUTE_US;
        const toUs = fromUs + length * MINUTE_US;
        // Of one time the order is not promised.
        const got = rowsOf(rowsBetween(store, series, fromUs, toUs, 1e9));
        expect(got.map(order).sort()).toEqual(reference.between(fromUs, toUs).map(order).sort());
        expect(got.map(({ timeUs }) => timeUs)).toEqual(
          got.map(({ timeUs }) => timeUs).sort((a, b) => a - b),
        );
        const some = rowsBetween(store, series, fromUs, toUs, 50);
        expect([...some.timesUs]).toEqual(got.slice(0, 50).map(({ timeUs }) => timeUs));
        expectSoundChunks(series.id);
      }),
      { numRuns: 120 },
    );
  });

  it('have aggregates of every level that agree with the readings', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 14 }),
        fc.constantFrom(30_000, ...LEVELS.map(({ widthUs }) => widthUs / 1000), 5 * 3_600_000),
        (steps, widthMs) => {
          const { store, reference, point } = run(steps);
          const fromMs = START_US / 1000;
          const toMs = fromMs + 5 * 86_400_000;
          const buckets = (toMs - fromMs) / widthMs;
          const [got] = aggregate(store, { point, fromMs, toMs, buckets, quantiles: [0, 0.5, 1] });
          const all = reference.between(START_US, toMs * 1000);
          if (got === undefined) {
            expect(all).toEqual([]);
            return;
          }
          const byStart = new Map<number, Row[]>();
          for (const row of all) {
            const startMs = Math.floor(row.timeUs / 1000 / got.widthMs) * got.widthMs;
            const rows = byStart.get(startMs);
            if (rows === undefined) byStart.set(startMs, [row]);
            else rows.push(row);
          }
          expect([...got.startsMs]).toEqual([...byStart.keys()].sort((a, b) => a - b));
          for (const [i, startMs] of got.startsMs.entries()) {
            const rows = byStart.get(startMs) ?? [];
            const values = rows.filter(({ value, code }) => (code & 3) < 2 && Number.isFinite(value));
            const sorted = values.map(({ value }) => value).sort((a, b) => a - b);
            const sum = sorted.reduce((total, value) => total + value, 0);
            const squares = sorted.reduce((total, value) => total + value * value, 0);
            expect(got.counts[i]).toBe(sorted.length);
            expect(got.good[i]! + got.uncertain[i]! + got.bad[i]!).toBe(rows.length);
            expect(got.bad[i]).toBe(rows.filter(({ code }) => (code & 3) === 2).length);
            if (sorted.length === 0) continue;
            const scale = Math.max(1, Math.abs(sorted[0]!), Math.abs(sorted.at(-1)!));
            expect(got.min[i]).toBeCloseTo(sorted[0]!, 12);
            expect(got.max[i]).toBeCloseTo(sorted.at(-1)!, 12);
            expect(Math.abs(got.mean[i]! - sum / sorted.length)).toBeLessThan(1e-12 * scale * sorted.length);
            expect(Math.abs(got.sumOfSquares[i]! - squares)).toBeLessThan(1e-9 * squares + 1e-9);
            const newest = Math.max(...values.map(({ timeUs }) => timeUs));
            expect(values.filter(({ timeUs }) => timeUs === newest).map(({ value }) => value)).toContain(
              got.last[i],
            );
            // Eight bins over the span: a quantile is within a quarter of it.
            const span = sorted.at(-1)! - sorted[0]!;
            const median = got.quantiles[1]![i]!;
            const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
            expect(median).toBeGreaterThanOrEqual(sorted[low]! - span / 3 - 1e-9);
            expect(median).toBeLessThanOrEqual(sorted[high]! + span / 3 + 1e-9);
          }
        },
      ),
      { numRuns: 120 },
    );
  });
});

/** Chunks do not overlap, keep to their day, and their heads are true. */
function expectSoundChunks(seriesId: number): void {
  const heads = db
    .prepare('SELECT id, from_us, to_us, count FROM chunks WHERE series_id = ? ORDER BY to_us')
    .all(seriesId) as { id: number; from_us: number; to_us: number; count: number }[];
  for (const [index, head] of heads.entries()) {
    if (index > 0) expect(head.from_us).toBeGreaterThan(heads[index - 1]!.to_us);
    expect(Math.floor(head.from_us / 86_400e6)).toBe(Math.floor(head.to_us / 86_400e6));
  }
}

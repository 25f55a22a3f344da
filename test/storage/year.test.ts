import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { storageConfigSchema } from '#sm/storage/config.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import type { Store } from '#sm/storage/store.js';
import { type PlantSignal, recordedSignals, syntheticSignals } from '../support/plant-signals.js';
import { soakResult } from '../support/soak.js';
import { StoreFolder } from '../support/store.js';

const DAY_S = 86_400;
const HOUR_S = 3_600;
const START_MS = Date.UTC(2026, 0, 5);
const POINTS = 200;
const GB = 1e9;

/** What docs/storage.md says that a year takes, from and to, bytes. */
function statedBytes(): readonly [from: number, to: number] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/storage.md'), 'utf8');
  const [, from, to] =
    /A year of 200 points at one reading a second\*\* takes (\d+) to (\d+) GB/.exec(text) ?? [];
  if (from === undefined || to === undefined) throw new Error('docs/storage.md does not state the figure');
  return [Number(from) * GB, Number(to) * GB];
}

/** A day of readings as it comes: by the hour into the tail, and from there into chunks. */
async function writeDay(store: Store, signals: readonly PlantSignal[]): Promise<void> {
  for (let hour = 0; hour < DAY_S / HOUR_S; hour++) {
    await Promise.all(
      signals.map(({ name, unit, values }) => {
        const part = values.subarray(hour * HOUR_S, (hour + 1) * HOUR_S);
        const timesUs = Float64Array.from(part, (_, s) => (START_MS + (hour * HOUR_S + s) * 1_000) * 1_000);
        // Four parts, each too small to go past the tail.
        return Promise.all(
          [0, 1, 2, 3].map((quarter) => {
            const [from, to] = [(quarter * HOUR_S) / 4, ((quarter + 1) * HOUR_S) / 4];
            return store.write({
              readingColumns: [
                {
                  point: `m1.${name}`,
                  unit,
                  timesUs: timesUs.slice(from, to),
                  values: part.slice(from, to),
                  codes: new Uint8Array(HOUR_S / 4),
                },
              ],
            });
          }),
        );
      }),
    );
    await store.seal();
  }
  // As every minute in the daemon; nothing is old enough to go.
  const { budget, keep } = storageConfigSchema.parse({ path: '/nowhere' });
  const nowMs = START_MS + DAY_S * 1_000;
  const { aged, shed } = await store.retention({ nowMs, budgetBytes: budget, keepMs: keep });
  expect(Object.values({ ...aged, ...shed }).reduce((sum, rows) => sum + rows, 0)).toBe(0);
}

/** Bytes of a day by kind, and what a year of 200 points would take at that. */
function sizes(file: string, points: number) {
  const db = new SqliteDatabase(file, { readonly: true });
  try {
    const sum = (sql: string) => Number(db.prepare(`SELECT coalesce(${sql}, 0)`).pluck().get());
    const level = (number: number) =>
      sum(`(SELECT sum(length(stats) + length(sketches)) FROM rollups WHERE level = ${number})`);
    const kinds = {
      readings: sum('(SELECT sum(length(data)) FROM chunks)'),
      minutes: level(0),
      hours: level(1),
      days: level(2),
    };
    const pages = Number(db.pragma('page_count', { simple: true }));
    const free = Number(db.pragma('freelist_count', { simple: true }));
    const used = (pages - free) * Number(db.pragma('page_size', { simple: true }));
    const readings = sum('(SELECT sum(count) FROM chunks)');
    return { kinds, used, readings, yearBytes: (used / points) * POINTS * 365 };
  } finally {
    db.close();
  }
}

describe('a year of 200 points at one reading a second', () => {
  const measure = async (signals: readonly PlantSignal[]) => {
    const folder = await StoreFolder.create();
    await writeDay(await folder.open(), signals);
    await folder.close();
    const { kinds, used, readings, yearBytes } = sizes(folder.file, signals.length);
    expect(readings).toBe(signals.length * DAY_S);
    const perReading = Object.fromEntries(
      Object.entries(kinds).map(([kind, bytes]) => [kind, bytes / readings]),
    );
    soakResult({ points: signals.length, perReading, file: used / readings, yearGb: yearBytes / GB });
    return { yearBytes, perReading };
  };

  it('takes what docs/storage.md states, of signals made like those of pumps and hydraulic rigs', async () => {
    const { yearBytes, perReading } = await measure(syntheticSignals(DAY_S, 3));
    const [from, to] = statedBytes();
    expect(yearBytes).toBeLessThan(to);
    expect(yearBytes).toBeGreaterThan(from);
    expect(perReading.readings).toBeLessThan(2.5);
  });

  it('takes what docs/storage.md states, of recorded signals', async () => {
    const signals = recordedSignals(DAY_S);
    if (signals === undefined) return;
    const { yearBytes } = await measure(signals);
    const [from, to] = statedBytes();
    expect(yearBytes).toBeLessThan(to);
    expect(yearBytes).toBeGreaterThan(from);
  });
});

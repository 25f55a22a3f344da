import {
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { Metrics } from '#sm/base/metrics.js';
import { type Random, seededRandom } from '#sm/base/random.js';
import { damageTotals } from '#sm/storage/damage-report.js';
import { DATABASE_FILE, Store } from '#sm/storage/store.js';

/** What one file that was damaged on purpose led to. */
export interface TornResult {
  readonly seed: number;
  readonly what: string;
  /** Was damage noticed, and the file set aside? */
  readonly noticed: boolean;
  /** Rows that came through, of those that were there. */
  readonly readings: number;
  readonly events: number;
  readonly alarmStates: number;
  /** Rows that came back with another content than they had; SQLite has no checksum that would tell. */
  readonly changed: number;
  /** What the report says is lost. */
  readonly reportedLost: number;
}

export interface TornTotals {
  readonly runs: number;
  readonly noticed: number;
  /** Share of the readings that came through, over the runs in which damage was noticed. */
  readonly readingsKept: number;
  readonly eventsKept: number;
  readonly changedRows: number;
  /** Runs in which rows were missing and nothing was reported, though there was something to see. */
  readonly silent: number;
  /**
   * Runs in which the end of the log was lost, and nothing is left that could tell that there was more: a transaction
   * that was never finished looks the same.
   */
  readonly logEnds: number;
  readonly results: readonly TornResult[];
}

const READINGS = 20_000;
const EVENTS = 520;
const ALARMS = 20;
const POINTS = 5;

const at = (index: number): number => 1_700_000_000_000 + index * 100;

/** A database with known content; closed as by `kill -9` where `withLog`, so that its newest part is in the log. */
export async function sampleStore(folder: string): Promise<void> {
  const newId = idGenerator(systemClock, seededRandom(1));
  const open = () => Store.open({ folder, clock: systemClock, metrics: new Metrics() });
  let store = await open();
  const slice = async (from: number, readings: number, events: number) => {
    await store.write({
      readings: Array.from({ length: readings }, (_, index) => ({
        point: `m${(from + index) % POINTS}.temperature`,
        timeMs: at(from + index),
        value: from + index,
        unit: 'degC',
        quality: 'good' as const,
      })),
      events: Array.from({ length: events }, (_, index) => ({
        id: newId(),
        type: 'AlarmRaised' as const,
        version: 1,
        time: new Date(at(from + index)).toISOString(),
        gatewayId: 'gw',
        correlationId: 'c',
        payload: { number: from + index, text: 'x'.repeat(200) },
      })),
      alarmStates: Array.from({ length: ALARMS }, (_, index) => ({
        alarm: `a${index}`,
        point: 'm1.temperature',
        document: { alarm: `a${index}`, point: 'm1.temperature', state: 'normal', from },
      })),
    });
  };
  const SLICES = 40;
  for (let index = 0; index < SLICES; index++) {
    await slice((index * READINGS) / SLICES, READINGS / SLICES, Math.ceil(EVENTS / SLICES));
    if (index !== SLICES - 8) continue;
    // What is older is in the file from here on, the rest in the log.
    await store.close();
    store = await open();
  }
  // Without closing: copied away under an open store, the log is there as after a loss of power.
  for (const part of ['', '-wal']) {
    const source = join(folder, DATABASE_FILE + part);
    if (existsSync(source)) copyFileSync(source, join(folder, `sample${part}`));
  }
  await store.close();
}

/** Damages a copy of the sample at random, opens it, and counts what came through. */
export async function tornRun(sampleFolder: string, folder: string, seed: number): Promise<TornResult> {
  const random = seededRandom(seed);
  const path = join(folder, DATABASE_FILE);
  for (const part of ['', '-wal']) {
    const source = join(sampleFolder, `sample${part}`);
    if (existsSync(source)) copyFileSync(source, path + part);
  }
  const what = damage(path, random);
  const store = await Store.open({ folder, clock: systemClock, metrics: new Metrics() });
  try {
    while (await store.salvageStep());
    const found = await countFound(store);
    // The full check of the night finds what the start did not, and readers may have met damage.
    await store.integrityCheck();
    while (await store.salvageStep());
    const files = await store.damagedFiles();
    const again = files.length > 0 ? await countFound(store) : found;
    return {
      seed,
      what,
      noticed: files.length > 0,
      ...again,
      reportedLost: files.reduce((sum, file) => {
        const { lostRows, lostPages } = damageTotals(file);
        return sum + lostRows + lostPages;
      }, 0),
    };
  } finally {
    await store.close();
  }
}

async function countFound(store: Store) {
  let readings = 0;
  let changed = 0;
  for (let point = 0; point < POINTS; point++) {
    const name = `m${point}.temperature`;
    for (const { timeMs, value } of await store.readings(name, -Infinity, Infinity, 2 * READINGS)) {
      if (at(value) === timeMs && value % POINTS === point) readings++;
      else changed++;
    }
  }
  const events = await store.journal.read(0, 2 * EVENTS);
  const alarmStates = await store.alarmStates();
  const whole = events.filter(({ event }) => typeof event.payload.number === 'number');
  return {
    readings,
    changed: changed + events.length - whole.length,
    events: whole.length,
    alarmStates: alarmStates.length,
  };
}

/** Cuts the file, zeroes a sector, or flips bits, in the database or in its log. */
function damage(path: string, random: Random): string {
  const target = existsSync(`${path}-wal`) && random() < 0.3 ? `${path}-wal` : path;
  const name = target === path ? 'database' : 'log';
  const { size } = statSync(target);
  const file = openSync(target, 'r+');
  try {
    const kind = Math.floor(random() * 4);
    if (kind === 0) {
      const to = Math.floor(random() * size);
      ftruncateSync(file, to);
      return `${name} cut to ${to} of ${size} bytes`;
    }
    if (kind === 1) {
      const from = Math.floor((random() * size) / 512) * 512;
      const length = 512 * (1 + Math.floor(random() * 16));
      writeSync(file, Buffer.alloc(Math.min(length, size - from)), 0, undefined, from);
      return `${name} zeroed at ${from}, ${length} bytes`;
    }
    if (kind === 2) {
      const from = Math.floor((random() * size) / 4096) * 4096;
      const noise = Buffer.from(Array.from({ length: 4096 }, () => Math.floor(random() * 256)));
      writeSync(file, noise, 0, Math.min(4096, size - from), from);
      return `${name} overwritten with noise at ${from}`;
    }
    const flips = 1 + Math.floor(random() * 64);
    for (let flip = 0; flip < flips; flip++) {
      // Half of them in the first pages: header, schema and roots.
      const where = Math.floor(random() * (random() < 0.5 ? Math.min(size, 65_536) : size));
      const byte = Buffer.alloc(1);
      readSync(file, byte, 0, 1, where);
      byte[0]! ^= 1 << Math.floor(random() * 8);
      writeSync(file, byte, 0, 1, where);
    }
    return `${flips} bits flipped in the ${name}`;
  } finally {
    closeSync(file);
  }
}

export function tornTotals(results: readonly TornResult[]): TornTotals {
  const noticed = results.filter((result) => result.noticed);
  const share = (count: (result: TornResult) => number, of: number) =>
    noticed.length === 0
      ? 1
      : noticed.reduce((sum, result) => sum + count(result), 0) / (of * noticed.length);
  const isComplete = ({ readings, events, changed }: TornResult) =>
    readings + events + changed === READINGS + EVENTS;
  const unreported = results.filter((result) => !isComplete(result) && result.reportedLost === 0);
  return {
    runs: results.length,
    noticed: noticed.length,
    readingsKept: share(({ readings }) => readings, READINGS),
    eventsKept: share(({ events }) => events, EVENTS),
    changedRows: results.reduce((sum, { changed }) => sum + changed, 0),
    silent: unreported.filter(({ what }) => !what.includes('log')).length,
    logEnds: unreported.filter(({ what }) => what.includes('log')).length,
    results,
  };
}

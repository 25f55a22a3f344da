// The store: readings a second with the durability that it has, bytes a reading, aggregates over many readings, the last
// reading of every point, and how long the main thread is held up meanwhile. Plain rows of better-sqlite3 are the peer.
//   npm run bench -- store       SM_EDGE_DATA=FOLDER: where the recording sets are
//   SM_EDGE_BENCH_READINGS=10000000 npm run bench -- store      fewer readings than 100 million
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { Store } from '#sm/storage/store.js';
import { watchMainThread } from './support/main-thread.js';
import { columnsOf, drifting, hydraulic, skab, steadyTimes } from './support/readings.js';
import { steadyLoad } from './support/steady-load.js';

const DATA = process.env.SM_EDGE_DATA ?? path.resolve(import.meta.dirname, '../../shared/data');
const MANY = Number(process.env.SM_EDGE_BENCH_READINGS ?? 100_000_000);
const START_US = 1_700_006_400_000_000;
const ROWS = 36_000;
/** Batches under way at once; the queue of the store takes no more bytes than 64 MiB. */
const UNDER_WAY = 16;

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
/** How long the main thread is watched under load, milliseconds. */
const LOAD_MS = 20_000;

const round = (value, digits = 2) => Number(value.toFixed(digits));

async function withStore(use) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-'));
  const store = await Store.open({ folder, clock: systemClock, metrics: new Metrics() });
  try {
    return await use(store, path.join(folder, 'sm-edge.db'));
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes batches, some under way at a time; seconds, and how long the calls and the event loop held the main thread up. */
async function writeAll(store, count, batchOf) {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const underWay = new Set();
  const calls = [];
  loop.enable();
  const startMs = performance.now();
  for (let index = 0; index < count; index++) {
    const batch = batchOf(index);
    const calledMs = performance.now();
    const write = store.write(batch).then(() => underWay.delete(write));
    calls.push(performance.now() - calledMs);
    underWay.add(write);
    await new Promise(setImmediate);
    if (underWay.size >= UNDER_WAY) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  const seconds = (performance.now() - startMs) / 1000;
  loop.disable();
  calls.sort((a, b) => a - b);
  return {
    seconds,
    writeCallMs: { p50: round(median(calls), 3), p999: round(calls[Math.floor(calls.length * 0.999)], 3) },
    eventLoopDelayMs: {
      p50: round(loop.percentile(50) / 1e6),
      p99: round(loop.percentile(99) / 1e6),
      max: round(loop.max / 1e6),
    },
  };
}

/** 200 points, an hour at 10 Hz at a time each. */
const ingest = () =>
  withStore(async (store) => {
    const values = drifting(ROWS, 1);
    const batches = 300;
    const { seconds, ...held } = await writeAll(store, batches, (index) => ({
      readingColumns: [
        columnsOf(
          `machine.${index % 200}`,
          'degC',
          steadyTimes(START_US + Math.floor(index / 200) * 3_600e6, ROWS, 1e5),
          values,
        ),
      ],
    }));
    return { readings: batches * ROWS, perSecond: Math.round((batches * ROWS) / seconds), ...held };
  });

/** As the daemon writes them: small batches of readings of many points, by way of the tail. */
const ingestRows = () =>
  withStore(async (store) => {
    const batches = 500;
    const { seconds, ...held } = await writeAll(store, batches, (index) => ({
      readings: Array.from({ length: 2_000 }, (_, i) => ({
        point: `machine.${i % 200}`,
        timeMs: START_US / 1000 + index * 10_000 + Math.floor(i / 200) * 1_000,
        value: 40 + ((index + i) % 30) / 10,
        unit: 'degC',
        quality: 'good',
      })),
    }));
    return { readings: batches * 2_000, perSecond: Math.round((batches * 2_000) / seconds), ...held };
  });

/** The peer: one row a reading, with an index, a commit for each 10,000. */
function plainRows() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-'));
  const file = path.join(folder, 'rows.db');
  const db = new SqliteDatabase(file);
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec(
      'CREATE TABLE readings (point INTEGER, time INTEGER, value REAL, quality INTEGER, PRIMARY KEY (point, time))',
    );
    const insert = db.prepare('INSERT INTO readings VALUES (?, ?, ?, 0)');
    const values = drifting(200_000, 1);
    const startMs = performance.now();
    for (let from = 0; from < values.length; from += 10_000)
      db.transaction(() => {
        for (let i = from; i < from + 10_000; i++)
          insert.run(i % 200, START_US + Math.floor(i / 200) * 1_000_000, values[i]);
      })();
    const seconds = (performance.now() - startMs) / 1000;
    db.pragma('wal_checkpoint(TRUNCATE)');
    return {
      perSecond: Math.round(values.length / seconds),
      bytesPerReading: round(statSync(file).size / values.length),
    };
  } finally {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Bytes a reading of recorded tables: of the chunks alone (times included), and of the whole file with its aggregates. */
const size = (columns) =>
  withStore(async (store, file) => {
    for (const one of columns) await store.write({ readingColumns: [one] });
    await store.seal();
    const db = new SqliteDatabase(file, { readonly: true });
    try {
      const readings = Number(db.prepare('SELECT sum(count) FROM chunks').pluck().get());
      const bytes = Number(db.prepare('SELECT sum(length(data)) FROM chunks').pluck().get());
      const aggregates = Number(
        db.prepare('SELECT sum(length(stats) + length(sketches)) FROM rollups').pluck().get(),
      );
      return {
        readings,
        bytesPerReading: round(bytes / readings),
        aggregateBytesPerReading: round(aggregates / readings),
      };
    } finally {
      db.close();
    }
  });

async function timed(runs, ask) {
  await ask();
  const times = [];
  for (let i = 0; i < runs; i++) {
    const startMs = performance.now();
    await ask();
    times.push(performance.now() - startMs);
  }
  return round(median(times));
}

/** One point at 10 Hz for months. */
const queries = () =>
  withStore(async (store, file) => {
    const batches = Math.ceil(MANY / ROWS);
    const day = drifting(24 * ROWS, 2);
    const { seconds } = await writeAll(store, batches, (index) => {
      const hour = (index % 24) * ROWS;
      return {
        readingColumns: [
          columnsOf(
            'pump.temperature',
            'degC',
            steadyTimes(START_US + index * ROWS * 1e5, ROWS, 1e5),
            day.slice(hour, hour + ROWS),
          ),
        ],
      };
    });
    const fromMs = START_US / 1000;
    const toMs = fromMs + batches * ROWS * 100;
    const request = { point: 'pump.temperature', fromMs, toMs, buckets: 1_000 };
    const [answer] = await store.aggregate(request);
    const counted = answer.counts.reduce((sum, count) => sum + count, 0);
    if (counted !== batches * ROWS) throw new Error(`${counted} readings counted of ${batches * ROWS}`);
    return {
      readings: batches * ROWS,
      writtenPerSecond: Math.round((batches * ROWS) / seconds),
      fileBytesPerReading: round(statSync(file).size / (batches * ROWS)),
      buckets: answer.startsMs.length,
      level: answer.level,
      aggregateMs: await timed(15, () => store.aggregate(request)),
      aggregateWithQuantilesMs: await timed(5, () =>
        store.aggregate({ ...request, quantiles: [0.05, 0.5, 0.95] }),
      ),
    };
  });

const last = () =>
  withStore(async (store) => {
    const points = Array.from({ length: 1_000 }, (_, i) => `machine.${i}`);
    const at = (timeMs) => ({
      readings: points.map((point, i) => ({ point, timeMs, value: i / 10, unit: 'degC', quality: 'good' })),
    });
    for (let i = 0; i < 20; i++) await store.write(at(START_US / 1000 + i * 1_000));
    await store.seal();
    const sealedMs = await timed(25, () => store.lastReadings(points));
    await store.write(at(START_US / 1000 + 100_000));
    return { points: points.length, sealedMs, withTailMs: await timed(25, () => store.lastReadings(points)) };
  });

/** The same store, and how long its calls hold the thread that makes them until they return their promise. */
function timedCalls(store) {
  const durations = [];
  const timed = new Proxy(store, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (...args) => {
        const startMs = performance.now();
        const answer = value.apply(target, args);
        durations.push(performance.now() - startMs);
        return answer;
      };
    },
  });
  const callMs = () => {
    durations.sort((a, b) => a - b);
    const at = (share) => round(durations[Math.floor(share * (durations.length - 1))], 3);
    return { calls: durations.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  return { timed, callMs };
}

/** A gateway's load for a while, and the same without a store, which is what the load itself costs. */
async function mainThread() {
  const nothing = { write: async () => undefined, save: async () => undefined };
  await steadyLoad(nothing, 1_000);
  const watchedAlone = watchMainThread();
  await steadyLoad(nothing, LOAD_MS);
  const alone = watchedAlone.stop();
  return withStore(async (store) => {
    // What is compiled in the first second is not what years look like.
    await steadyLoad(store, 5_000);
    const watched = watchMainThread();
    const { timed, callMs } = timedCalls(store);
    const counts = await steadyLoad(timed, LOAD_MS);
    return {
      forS: LOAD_MS / 1000,
      ...counts,
      callMs: callMs(),
      withStore: watched.stop(),
      withoutStore: alone,
    };
  });
}

export async function bench() {
  const recorded = { skab: skab(DATA), hydraulic: hydraulic(DATA, START_US) };
  const sizes = {};
  for (const [name, columns] of Object.entries(recorded)) {
    if (columns === undefined)
      process.stderr.write(`skipped: ${DATA}/${name} is missing; set SM_EDGE_DATA\n`);
    else sizes[name] = await size(columns);
  }
  const rows = plainRows();
  const columns = await ingest();
  return {
    sizes,
    plainRows: rows,
    ingest: { ...columns, timesPlainRows: round(columns.perSecond / rows.perSecond, 1) },
    ingestRows: await ingestRows(),
    mainThread: await mainThread(),
    last: await last(),
    queries: await queries(),
  };
}

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { main } from '#sm/cli/main.js';
import type { Reading } from '#sm/signals/reading.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { Store } from '#sm/storage/store.js';
import { smEdge } from '../support/daemon.js';
import { requirePython, runPython } from '../support/venv.js';

const hasPyarrow = requirePython('pyarrow');
const TEMPERATURE = 'pump-1.temperature';
const VIBRATION = 'pump-1.bearing-de.acceleration';
const DAY_MS = 86_400_000;
const START_MS = Math.floor(Date.now() / DAY_MS - 3) * DAY_MS;
const ROWS = 45_000;
const RATE_HZ = 25_600;
const BLOCK = 2_048;

/** Three pages, times between milliseconds, and values of any length. */
const timesUs = Float64Array.from({ length: ROWS }, (_, row) => (START_MS + row * 1_000) * 1_000 + (row % 3));
const values = Float64Array.from({ length: ROWS }, (_, row) => Math.sin(row) * 10 ** (row % 9));
/** One unit, then another. */
const late: Reading[] = [
  {
    point: 'pump-1.flow',
    timeMs: START_MS,
    value: Number.NaN,
    unit: 'l/s',
    quality: 'bad',
    reason: 'sentinel',
  },
  { point: 'pump-1.flow', timeMs: START_MS + 1, value: -0, unit: 'l/s', quality: 'good' },
  {
    point: 'pump-1.flow',
    timeMs: START_MS + 2,
    value: 7.5,
    unit: 'm3/h',
    quality: 'uncertain',
    reason: 'stale',
  },
];
const block = (number: number) =>
  Float32Array.from({ length: BLOCK }, (_, i) => Math.sin((number * BLOCK + i) / 7) / 3);

describe('export', () => {
  let folder: string;
  let store: Store;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sm-edge-export-'));
    store = await Store.open({ folder: join(folder, 'data'), clock: systemClock, metrics: new Metrics() });
    const codes = new Uint8Array(ROWS);
    await store.write({
      readings: late,
      readingColumns: [{ point: TEMPERATURE, unit: 'degC', timesUs, values, codes }],
      // Two that follow each other, one after a gap.
      blocks: [0, 1, 5].map((number) => ({
        point: VIBRATION,
        startTimeMs: START_MS + (number * BLOCK * 1_000) / RATE_HZ,
        sampleRateHz: RATE_HZ,
        unit: 'g',
        samples: block(number),
        quality: 'good' as const,
        trigger: 'anomaly',
      })),
      features: [
        { point: VIBRATION, timeMs: START_MS + 80, durationMs: 80, features: { kurtosis: 3.1 } },
        { point: VIBRATION, timeMs: START_MS, durationMs: 80, features: { rms: 0.5, kurtosis: 3 } },
      ],
      scores: [
        {
          point: VIBRATION,
          timeMs: START_MS,
          model: 'pump, "new"',
          version: '2',
          score: 0.25,
          threshold: 1,
          anomalous: true,
          correlationId: 'c',
        },
      ],
    });
  });

  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  const argsOf = (to: string) => ['export', '--data', join(folder, 'data'), '--to', to, '--json'];
  /** In this process, which is quicker than to start one. */
  const run = async (name: string, ...args: string[]) => {
    const to = join(folder, name);
    const out = new PassThrough();
    const code = await main(['node', 'sm-edge', ...argsOf(to), ...args], {}, { out, err: new PassThrough() });
    return { code, to, answer: JSON.parse(String(out.read())) };
  };
  const lines = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n');

  it('writes a recording set of a store that is open, whose readings and samples are those that were stored', async () => {
    const to = join(folder, 'csv');
    const { code, stdout } = await smEdge([...argsOf(to), '--every', '1h']);
    expect(code).toBe(0);
    const answer = JSON.parse(stdout);
    expect(answer.files).toHaveLength(8);
    const set = await openRecordingSet(to);
    const read: Record<string, Reading[]> = {};
    for (const table of set.manifest.tables)
      for await (const { readings } of set.readTable(table))
        for (const reading of readings) {
          read[reading.point] ??= [];
          read[reading.point]!.push(reading);
        }
    expect(read[TEMPERATURE]!.map(({ value }) => value)).toEqual([...values]);
    expect(read['pump-1.flow']!.map(({ value, unit, quality }) => [value, unit, quality])).toEqual(
      late.map(({ value, unit, quality }) => [value, unit, quality]),
    );
    const cells = lines(join(to, 'readings', `${TEMPERATURE}.csv`))
      .slice(1)
      .map((line) => line.split(',', 1)[0]!);
    const iso = (us: number) =>
      new Date(us / 1000).toISOString().replace('Z', us % 1000 ? `00${us % 1000}Z` : 'Z');
    expect(cells).toEqual(Array.from(timesUs, iso));

    const recordings = [];
    for await (const recording of set.recordings()) recordings.push(recording);
    expect(recordings.map(({ blocks }) => blocks[0]!.startTimeMs)).toEqual([START_MS, START_MS + 400]);
    expect(recordings[0]).toMatchObject({ point: VIBRATION, unit: 'g', sampleRateHz: RATE_HZ });
    expect(recordings[0]!.blocks[0]!.samples).toEqual(Float32Array.from([...block(0), ...block(1)]));
    expect(recordings[0]!.entry).toMatchObject({ trigger: 'anomaly' });

    expect(
      lines(join(to, 'features', `${VIBRATION}.csv`)).map((line) => line.replace(/^[^,]*,/, '')),
    ).toEqual(expect.arrayContaining(['durationS,kurtosis,rms', '0.08,3,0.5', '0.08,3.1,']));
    expect(lines(join(to, 'scores', `${VIBRATION}.csv`))[1]).toMatch(/,"pump, ""new""",2,0.25,1,true,,c,$/);
    const hours = lines(join(to, 'aggregates', `${TEMPERATURE}.csv`)).slice(1);
    expect(hours).toHaveLength(Math.ceil(ROWS / 3_600));
    expect(hours[0]).toMatch(new RegExp(`^${new Date(START_MS).toISOString()},3600,degC,3600,`));
  });

  it('keeps to points, kinds and times that are asked for, and refuses what it cannot do', async () => {
    const from = new Date(START_MS + 60_000).toISOString();
    const until = new Date(START_MS + 120_000).toISOString();
    const some = await run(
      'some',
      '--point',
      '*.temp*',
      '--what',
      'readings',
      '--from',
      from,
      '--until',
      until,
    );
    expect(some.answer.files).toEqual([
      { file: `readings/${TEMPERATURE}.csv`, kind: 'readings', point: TEMPERATURE, rows: 60 },
    ]);
    const again = await run('some');
    expect(again).toMatchObject({ code: 2, answer: { error: { code: 'USAGE' } } });
    expect(readdirSync(again.to).sort()).toEqual(['manifest.json', 'readings']);
    const none = await run('none', '--point', 'fan-9.*');
    expect(none).toMatchObject({ code: 1, answer: { error: { code: 'EXPORT_EMPTY' } } });
    expect(existsSync(none.to)).toBe(false);
    for (const bad of [
      ['--every', '7min'],
      ['--what', 'everything'],
      ['--format', 'xlsx'],
      ['--from', 'monday'],
      ['--from', '1h', '--until', '2h'],
      ['--from', '2100-01-01'],
    ])
      expect(await run('bad', ...bad)).toMatchObject({ code: 2, answer: { error: { code: 'USAGE' } } });
  });

  it('says where it cannot write, and that a store is of a newer program, and leaves nothing behind', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const blocked = await run('file/below');
    expect(blocked).toMatchObject({ code: 1, answer: { error: { code: 'EXPORT_FOLDER' } } });
    expect(await run('file')).toMatchObject({ code: 1, answer: { error: { code: 'EXPORT_FOLDER' } } });
    expect(existsSync(file)).toBe(true);
    const newer = join(folder, 'newer');
    mkdirSync(newer);
    const db = new SqliteDatabase(join(newer, 'sm-edge.db'));
    db.pragma('user_version = 99');
    db.close();
    const to = join(folder, 'of-newer');
    const { code, stdout } = await smEdge(['export', '--data', newer, '--to', to, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'STORE_NEWER' } });
    expect(existsSync(to)).toBe(false);
  });

  it.skipIf(!hasPyarrow)('writes Parquet that pyarrow reads, value by value', async () => {
    const { to } = await run('parquet', '--format', 'parquet', '--what', 'readings,features,scores');
    const script = `
import json, sys, pyarrow.parquet as pq
def rows(path):
    table = pq.read_table(path)
    return [table.schema.names, [str(t) for t in table.schema.types], {n: table.column(n).cast('int64').to_pylist() if n == 'time' else table.column(n).to_pylist() for n in table.schema.names}]
print(json.dumps([rows(p) for p in sys.argv[1:]]))`;
    const file = (kind: string, point: string) => join(to, kind, `${point}.parquet`);
    const files = [
      file('readings', TEMPERATURE),
      file('readings', 'pump-1.flow'),
      file('features', VIBRATION),
      file('scores', VIBRATION),
    ];
    const [temperature, flow, features, scores] = JSON.parse(await runPython(['-c', script, ...files]));
    expect(temperature[0]).toEqual(['point', 'time', 'value', 'unit', 'quality', 'reason']);
    expect(temperature[1]).toEqual([
      'string',
      'timestamp[us, tz=UTC]',
      'double',
      'string',
      'string',
      'string',
    ]);
    expect(temperature[2].time).toEqual([...timesUs]);
    expect(temperature[2].value).toEqual([...values]);
    expect(flow[2]).toMatchObject({
      value: [null, -0, 7.5],
      unit: ['l/s', 'l/s', 'm3/h'],
      quality: ['bad', 'good', 'uncertain'],
      reason: ['sentinel', null, 'stale'],
    });
    expect(features[2]).toMatchObject({ kurtosis: [3, 3.1], rms: [0.5, null], durationS: [0.08, 0.08] });
    expect(scores[2]).toMatchObject({
      anomalous: [true],
      model: ['pump, "new"'],
      score: [0.25],
      fallback: [null],
    });
  });
});

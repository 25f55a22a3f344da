import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { evaluate } from '#sm/pipeline/evaluation/evaluate.js';
import { healthyRows } from '#sm/pipeline/recordings/healthy-recordings.js';
import { startOffline } from '#sm/pipeline/recordings/offline.js';
import { type ReplayLine, replay } from '#sm/pipeline/recordings/replay.js';
import { rocAucOf } from '#sm/scoring/learning/ranking.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { encodeWav } from '#sm/signals/wav.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-odd-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const writeManifest = (manifest: object): void =>
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify({ format: 'recording-set/1', name: 'odd', ...manifest }),
  );
const evaluated = async () => evaluate({ set: await openRecordingSet(folder), fit: { firstRows: 300 } });
const learned = async () => healthyRows(await openRecordingSet(folder), {});

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const FAULT = [600, 800] as const;

type Row = readonly [time: string, pressure: string, label: string];

/** 1000 seconds of a pressure that is a tenth too low from 600 to 800. */
function pressureRows(): Row[] {
  const random = seededRandom(3);
  return Array.from({ length: 1000 }, (_, i) => {
    const isFaulty = i >= FAULT[0] && i < FAULT[1];
    const pressure = 4 + 0.1 * gaussian(random) - (isFaulty ? 1 : 0);
    return [new Date(START_MS + i * 1000).toISOString(), pressure.toFixed(4), isFaulty ? '1' : '0'];
  });
}

const POINTS = [{ column: 'p', point: 'pump.pressure' }];
const LABEL = { column: 'fault', anomalous: 1 };

function writeTable(
  rows: readonly (readonly string[])[],
  more: object = {},
  header = 'time;p;fault',
  encoding?: 'utf16le',
): void {
  const text = `${header}\n${rows.map((row) => row.join(';')).join('\n')}\n`;
  writeFileSync(join(folder, 't.csv'), encoding === undefined ? text : `\uFEFF${text}`, encoding ?? 'utf8');
  const time = { column: 'time' };
  writeManifest({ tables: [{ file: 't.csv', separator: ';', time, points: POINTS, label: LABEL, ...more }] });
}

/** What `replay` sums up. */
async function replayed() {
  const set = await openRecordingSet(folder);
  const offline = await startOffline({ clock: systemClock, metrics: new Metrics(), config: undefined });
  try {
    let last: ReplayLine | undefined;
    for await (const line of replay({ set, ...offline, configured: false })) last = line;
    return last;
  } finally {
    await offline.close();
  }
}

describe('tables that are not as they should be', () => {
  it('are replayed as they come, which the summary tells', async () => {
    writeTable(pressureRows());
    expect(await replayed()).toMatchObject({ readings: 1000, badReadings: 0, earlierRows: 0 });
    writeTable(
      pressureRows()
        .reverse()
        .map(([time, p, label]) => [time, p.replace('.', ','), label]),
    );
    expect(await replayed()).toMatchObject({ readings: 1000, badReadings: 1000, earlierRows: 999 });
  });

  it('are put in order of time, whatever the order of their rows', async () => {
    writeTable(pressureRows());
    const { notes: none, ...inOrder } = await evaluated();
    expect(none).toEqual([]);
    expect(inOrder.f1).toBeGreaterThan(0.9);
    writeTable(pressureRows().reverse());
    const { notes, ...reversed } = await evaluated();
    expect(reversed).toEqual(inOrder);
    expect(notes[0]).toContain('t.csv: its rows are not in order of time (line 3 is earlier');
  });

  it('are read with decimal commas where they say so, and told where they do not', async () => {
    const german = pressureRows().map(([time, p, label]): Row => [time, p.replace('.', ','), label]);
    writeTable(german);
    const blind = await evaluated();
    expect(blind.perRecording[0]).toMatchObject({
      anomalous: null,
      remark: 'no column has 30 numbers in what is learned',
    });
    expect(blind.notes[0]).toBe(
      't.csv: the column p (pump.pressure) holds no number; decimal commas? Then "decimal": ","',
    );
    writeTable(german, { decimal: ',' });
    expect((await evaluated()).f1).toBeGreaterThan(0.9);
    writeTable(german, { decimal: ',' }, undefined, 'utf16le');
    expect((await evaluated()).f1).toBeGreaterThan(0.9);
  });

  it('tell of labels that never come, and of times that come twice', async () => {
    writeTable(pressureRows().map(([time, p, label]) => [time, p, label === '1' ? 'yes' : 'no']));
    expect((await evaluated()).notes).toEqual([
      't.csv: no row is labelled anomalous: the column fault is never 1',
      'nothing is labelled anomalous: only false alarms can be told',
    ]);
    writeTable(pressureRows(), { label: { windows: [['2020-01-01', '2020-01-02']] } });
    expect((await evaluated()).notes[0]).toBe('t.csv: no row lies in one of its labelled windows');
    const rows = pressureRows();
    writeTable(rows.map(([, p, label], i) => [rows[i - (i % 2)]![0], p, label]));
    expect((await evaluated()).notes[0]).toBe('t.csv: 500 of 1000 rows have the time of the row before');
  });

  const refused: [string, () => void, string, string][] = [
    [
      'seconds since 1970',
      () => writeTable(pressureRows().map(([time, ...rest]) => [String(Date.parse(time) / 1000), ...rest])),
      't.csv line 2: no time in "1767225600"',
      '"format": "s"',
    ],
    [
      'a labelled window that ends before it begins',
      () => writeTable(pressureRows(), { label: { windows: [['2026-01-01T00:10', '2026-01-01T00:05']] } }),
      'the labelled window "2026-01-01T00:10" to "2026-01-01T00:05" ends before it begins',
      'pairs of times',
    ],
    [
      'a column that is there twice',
      () => writeTable(pressureRows(), {}, 'time;p;p'),
      't.csv has the column "p" twice',
      'Rename one of them',
    ],
    [
      'two columns that are one point',
      () => writeTable(pressureRows(), { points: [...POINTS, { column: 'fault', point: 'pump.pressure' }] }),
      'two columns of t.csv are the point pump.pressure',
      'recording-set/1',
    ],
    [
      'a file that is not there',
      () => writeManifest({ tables: [{ file: 'gone.csv', points: POINTS }] }),
      'gone.csv is not there: manifest.json names it',
      'take it out of manifest.json',
    ],
  ];
  it.each(refused)('%s: says where, what, and what to do', async (_, write, message, hint) => {
    write();
    const error = await evaluated().catch((thrown) => thrown);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });
});

const RATE_HZ = 2000;

function signal(seed: number, level = 0.3): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from(
    { length: 8 * 2048 },
    (_, i) => level * (Math.sin((2 * Math.PI * 29.7 * i) / RATE_HZ) + 0.2 * gaussian(random)),
  );
}

/** Eight healthy recordings, and another one. */
function writeSet(other: Float32Array, more: object = {}): void {
  const files = [...Array.from({ length: 8 }, (_, i) => signal(i)), other];
  files.forEach((samples, i) => {
    writeFileSync(join(folder, `${i}.wav`), encodeWav({ samples, channels: 1, sampleRateHz: RATE_HZ }));
  });
  writeManifest({
    recordings: files.map((_, i) => ({
      ...{ file: `${i}.wav`, point: 'pump.de.acceleration', unit: 'g', label: 'normal' },
      ...(i === 8 ? more : {}),
    })),
  });
}

describe('recordings that are not as they should be', () => {
  it('hold windows without a signal, which neither teach nor are judged', async () => {
    for (const [samples, what] of [
      [new Float32Array(8 * 2048).fill(0.5), 'a flat line'],
      [new Float32Array(0), 'no samples'],
    ] as const) {
      writeSet(samples);
      const { perRecording, notes, falseAlarmRate } = await evaluated();
      expect(perRecording[8]).toMatchObject({ score: null, anomalous: null });
      expect(perRecording[8]!.remark).toContain(what);
      expect(notes[0]).toMatch(new RegExp(`^8.wav: left out \\d windows \\(${what}\\)$`));
      expect(falseAlarmRate).toBe(0);
      const { rows, leftOut } = await learned();
      expect(rows).toHaveLength(64);
      expect(Object.keys(leftOut)).toEqual([what]);
      expect(await replayed()).toMatchObject({ windows: 64, leftOut: leftOut[what] });
    }
    const gap = signal(9);
    gap[3000] = Number.NaN;
    writeSet(gap);
    const { rows, leftOut } = await learned();
    expect(rows).toHaveLength(71);
    // No feature is lost for the gap of one window.
    expect(rows.every((row) => Object.values(row).every(Number.isFinite))).toBe(true);
    expect(leftOut).toEqual({ 'no numbers': 1 });
  });

  it('are compared in their own unit alone', async () => {
    writeSet(signal(9, 0.3 * 9.81), { unit: 'm/s2' });
    const { perRecording, falseAlarmRate } = await evaluated();
    expect(perRecording[8]).toMatchObject({ anomalous: false });
    expect(falseAlarmRate).toBe(0);
    await expect(learned()).rejects.toThrow(
      /several kinds: 2000 Hz, g, .* \(0.wav\); 2000 Hz, m\/s2, .* \(8.wav\)/,
    );
  });

  it('say why there is nothing to learn from', async () => {
    writeSet(signal(9));
    const { recordings } = (await openRecordingSet(folder)).manifest;
    writeManifest({ recordings: recordings.map((of) => ({ ...of, label: 'Healthy' })) });
    await expect(learned()).rejects.toMatchObject({
      message: 'the set has no recording labelled normal to learn from (its labels: Healthy)',
      hint: expect.stringContaining('Label what is healthy "normal"'),
    });
    expect((await evaluated()).notes[0]).toContain('nothing was judged whose truth is known');
    writeManifest({ tables: [{ file: 't.csv', points: POINTS }] });
    await expect(learned()).rejects.toThrow('the set has no recording, only tables');
    writeManifest({ recordings: [...recordings, recordings[0]] });
    await expect(learned()).rejects.toThrow('0.wav is named twice');
  });

  it('a table with the columns of two machines is two tables, but not the same one twice', async () => {
    const rows = pressureRows().map((row) => [...row, row[1]]);
    writeTable(rows, {}, 'time;p;fault;q');
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const [table] = manifest.tables;
    const other = { ...table, points: [{ ...table.points[0], column: 'q', point: 'fan.pressure' }] };
    writeManifest({ tables: [table, other] });
    const { perRecording, detections } = await evaluated();
    expect(perRecording).toHaveLength(2);
    expect(new Set(detections.map((of) => of.channel))).toEqual(new Set(['pump.pressure', 'fan.pressure']));
    writeManifest({ tables: [table, table] });
    await expect(evaluated()).rejects.toThrow('the point pump.pressure of t.csv is named twice');
  });

  it('a score that is no number does not stop the count', () => {
    const truths = [true, false, true, false];
    const judged = truths.map((truth, i) => ({ truth, score: i === 1 ? Number.NaN : i }));
    expect(rocAucOf(judged)).toEqual(expect.any(Number));
  });
});

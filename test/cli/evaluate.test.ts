import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { smEdge } from '../support/daemon.js';
import { DATA_DIR, hasRecordings } from '../support/recordings.js';
import { writeSmallSet } from '../support/small-set.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-evaluate-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const KEYS =
  'rocAuc f1 precision recall falseAlarmRate missedAlarmRate confusion detections perRecording'.split(' ');
const RECORDING_KEYS = 'file label score threshold anomalous diagnosis'.split(' ');

async function evaluated(...args: string[]) {
  const { code, stdout, stderr } = await smEdge(['evaluate', ...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** A pump whose pressure falls from row 600 to 800 of 1000; temperature and time stamps are real, the label is a column. */
function writeTable(column: boolean): void {
  const random = seededRandom(9);
  const start = Date.parse('2026-01-01T00:00:00Z');
  const time = (i: number) => new Date(start + i * 60_000).toISOString().slice(0, 19).replace('T', ' ');
  const rows = Array.from({ length: 1000 }, (_, i) => {
    const faulty = i >= 600 && i < 800;
    const pressure = 4 + 0.1 * gaussian(random) - (faulty ? 1 : 0);
    const temperature = i === 50 ? '' : (60 + gaussian(random)).toFixed(2);
    return `${time(i)},${pressure.toFixed(4)},${temperature},${faulty ? 1 : 0}`;
  });
  writeFileSync(join(folder, 't.csv'), `time,pressure,temperature,fault\n${rows.join('\n')}\n`);
  const table = {
    file: 't.csv',
    time: { column: 'time', format: 'yyyy-MM-dd HH:mm:ss' },
    points: [
      { column: 'pressure', point: 'pump.pressure', quantity: 'pressure', unit: 'bar' },
      { column: 'temperature', point: 'pump.temperature', quantity: 'temperature', unit: 'degC' },
    ],
    label: column
      ? { column: 'fault', anomalous: 1 }
      : { windows: [[`${time(600)}.000`, `${time(799)}.000`]] },
  };
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify({ format: 'recording-set/1', name: 'pump', tables: [table] }),
  );
}

describe('sm-edge evaluate', () => {
  it('tells a damaged bearing from sound recordings, with the keys that outsiders rely on', async () => {
    writeSmallSet(folder);
    const answer = await evaluated(folder);
    expect(Object.keys(answer)).toEqual(expect.arrayContaining(KEYS));
    for (const recording of answer.perRecording)
      expect(Object.keys(recording)).toEqual(expect.arrayContaining(RECORDING_KEYS));
    expect(answer).toMatchObject({ rocAuc: 1, f1: 1, confusion: { tp: 1, fp: 0, tn: 2, fn: 0 } });
    const faulted = answer.perRecording.find(({ file }: { file: string }) => file === 'faulted.wav');
    expect(faulted.diagnosis.fault).toBe('outer');
    const table = answer.perRecording.find(({ file }: { file: string }) => file === 'table.csv');
    expect(table).toMatchObject({ anomalous: null, remark: expect.stringContaining('at least 30') });
  });

  it('tells of a header that says another sample rate than the manifest; so does replay', async () => {
    writeSmallSet(folder);
    const path = join(folder, 'manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    const { file } = manifest.recordings[0];
    for (const recording of manifest.recordings) recording.sampleRateHz = 6_400;
    writeFileSync(path, JSON.stringify(manifest));
    const doubt = `${file}: its header says 12000 Hz; the 6400 Hz of manifest.json are taken`;
    expect((await evaluated(folder)).notes).toContain(doubt);
    const { stdout } = await smEdge(['replay', folder, '--json']);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!).doubts).toContain(doubt);
  });

  it.each([
    ['a column', true],
    ['windows', false],
  ] as const)('finds the fault in a table labelled by %s', async (_, column) => {
    writeTable(column);
    const answer = await evaluated(folder, '--fit', 'first:300', '--join', '30min');
    expect(answer.rocAuc).toBeGreaterThan(0.97);
    expect(answer.f1).toBeGreaterThan(0.95);
    // The average needs some ten rows to come back after the fault.
    expect(answer.falseAlarmRate).toBeLessThan(0.03);
    expect(answer.windows).toEqual({ total: 1, detected: 1, falseDetections: 0 });
    expect(answer.detections).toHaveLength(1);
    expect(answer.detections[0]).toMatchObject({ file: 't.csv', channel: 'pump.pressure', truth: true });
    expect(answer.detections[0].delayS).toBeLessThan(1200);
    const { tp, fp, tn, fn } = answer.confusion;
    expect(tp + fp + tn + fn).toBe(700);
  });

  it('does not look ahead: what comes after changes nothing before', async () => {
    writeTable(true);
    const whole = await evaluated(folder, '--fit', 'first:300');
    const lines = readFileSync(join(folder, 't.csv'), 'utf8').trimEnd().split('\n');
    writeFileSync(join(folder, 't.csv'), `${lines.slice(0, 701).join('\n')}\n`);
    const part = await evaluated(folder, '--fit', 'first:300');
    expect(part.detections[0].from).toBe(whole.detections[0].from);
    expect(part.confusion.tn).toBeLessThanOrEqual(whole.confusion.tn);
  });

  it('learns the beginning before the first fault with --fit healthy, prints a table for people, and gives the same bytes twice', async () => {
    writeTable(true);
    const first = await smEdge(['evaluate', folder, '--fit', 'healthy']);
    expect(first.stdout).toMatch(/labelled stretches: 1 of 1 detected, 0 false/);
    expect(first.stdout).toMatch(/false alarm rate +\d/);
    expect((await smEdge(['evaluate', folder, '--fit', 'healthy'])).stdout).toBe(first.stdout);
  });

  it('explains wrong usage and an empty choice', async () => {
    writeTable(true);
    expect(await smEdge(['evaluate', folder, '--fit', 'last:3'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--fit first:400'),
    });
    expect(await smEdge(['evaluate', folder, '--only', 'nothing'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing to evaluate'),
    });
  });
});

/** What docs/quality.md promises, on the recordings themselves. `npm run bench -- quality` prints the whole table. */
describe('real machines', () => {
  it.skipIf(!hasRecordings('skab'))(
    'SKAB: F1 of at least 0.84 at no more than 12 % false alarms',
    async () => {
      const { f1, falseAlarmRate } = await evaluated(
        join(DATA_DIR, 'skab'),
        '--only',
        'valve',
        '--fit',
        'first:400',
      );
      expect(f1).toBeGreaterThanOrEqual(0.84);
      expect(falseAlarmRate).toBeLessThanOrEqual(0.12);
    },
  );

  it.skipIf(!hasRecordings('nab'))('NAB machine temperature: four of four, none false', async () => {
    const { windows } = await evaluated(join(DATA_DIR, 'nab'), '--fit', 'first:750', '--join', '1d');
    expect(windows).toEqual({ total: 4, detected: 4, falseDetections: 0 });
  });

  it.skipIf(!hasRecordings('hit-sm'))('HIT-SM: every fault above every healthy recording', async () => {
    expect((await evaluated(join(DATA_DIR, 'hit-sm'))).rocAuc).toBe(1);
  });
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { evaluate } from '#sm/pipeline/evaluation/evaluate.js';
import type { FitRule } from '#sm/pipeline/evaluation/fit-rule.js';
import { healthyRows } from '#sm/pipeline/recordings/healthy-recordings.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { encodeWav } from '#sm/signals/wav.js';
import { smEdge } from '../support/daemon.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-recorded-states-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const START_MS = Date.parse('2026-03-01T00:00:00Z');
const isoAt = (second: number): string => new Date(START_MS + second * 1000).toISOString();
const writeManifest = (manifest: object): void =>
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify({ format: 'recording-set/1', name: 'duties', ...manifest }),
  );

const DECLARED = {
  'pump-1': {
    point: '{machine}.shaft.speed',
    stoppedBelow: 50,
    bins: [
      { name: 'low', from: 700, to: 900 },
      { name: 'high', from: 1400, to: 1600 },
    ],
    dwell: '5s',
  },
};

/** Seconds of standstill, of the low and of the high duty in one round. */
const ROUND = [
  { rpm: 0, seconds: 100, level: 0.02 },
  { rpm: 800, seconds: 240, level: 1 },
  { rpm: 1500, seconds: 240, level: 3 },
] as const;
const ROUND_S = 580;

function dutyAt(second: number) {
  let within = second % ROUND_S;
  for (const duty of ROUND) {
    if (within < duty.seconds) return duty;
    within -= duty.seconds;
  }
  return ROUND[0];
}

/** A pump at two duties in turn; from `faultFromS` on it vibrates twice as much at the low one: still less than at the high one. */
function writeDutyTable(seconds: number, faultFromS: number, more: object = {}): void {
  const random = seededRandom(17);
  const lines = ['time,speed,vibration,fault'];
  for (let s = 0; s < seconds; s++) {
    const { rpm, level } = dutyAt(s);
    const isFaulty = s >= faultFromS && rpm === 800;
    const vibration = level * (isFaulty ? 2 : 1) * (1 + 0.03 * gaussian(random));
    lines.push(
      [isoAt(s), rpm === 0 ? 0 : (rpm + 2 * gaussian(random)).toFixed(1), vibration, isFaulty ? 1 : 0].join(),
    );
  }
  writeFileSync(join(folder, 'duty.csv'), `${lines.join('\n')}\n`);
  writeManifest({
    tables: [
      {
        file: 'duty.csv',
        time: { column: 'time' },
        points: [
          { column: 'speed', point: 'pump-1.shaft.speed', unit: 'rpm' },
          { column: 'vibration', point: 'pump-1.casing.vibration', quantity: 'vibration', unit: 'mm/s' },
        ],
        label: { column: 'fault', anomalous: 1 },
      },
    ],
    ...more,
  });
}

/** The evaluation itself: what the command prints with --json. */
const evaluated = async (fit: FitRule = 'beginning') =>
  evaluate({ set: await openRecordingSet(folder), fit });

describe('sm-edge evaluate, by operating state', () => {
  const ROUNDS = 9;
  const FAULT_FROM_S = 6 * ROUND_S;

  it.each([
    ['declared', { states: DECLARED }, 'low', 'high'],
    ['found in the rows that are learned', {}, 'speed-800', 'speed-1500'],
  ])('sees the fault that hides in another duty: states %s', async (_, more, low, high) => {
    writeDutyTable(ROUNDS * ROUND_S, FAULT_FROM_S, more);
    const answer = await evaluated({ firstRows: 4 * ROUND_S });
    const byName = new Map(answer.states.map((of) => [of.state, of]));
    expect([...byName.keys()]).toEqual(expect.arrayContaining([low, high, 'stopped']));
    expect(byName.get(low)).toMatchObject({ learned: expect.any(Number), unjudged: 0 });
    expect(byName.get(low)?.recall).toBeGreaterThan(0.9);
    expect(byName.get(high)?.falseAlarmRate).toBeLessThan(0.01);
    // An idle machine neither alarms nor teaches.
    expect(byName.get('stopped')).toMatchObject({ learned: 0, judged: 0, confusion: { fp: 0, tp: 0 } });
    expect(answer.falseAlarmRate).toBeLessThan(0.02);
    // What is not judged counts as not anomalous: leaving rows out makes nothing look better.
    const { tp, fp, tn, fn } = answer.confusion;
    expect(tp + fp + tn + fn).toBe((ROUNDS - 4) * ROUND_S);

    writeDutyTable(ROUNDS * ROUND_S, FAULT_FROM_S, { states: { 'pump-1': 'none' } });
    const without = await evaluated({ firstRows: 4 * ROUND_S });
    expect(without.states).toEqual([]);
    expect(answer.f1).toBeGreaterThan((without.f1 ?? 0) + 0.2);
  });

  it('finds states in what is learned alone: what comes later changes no earlier verdict', async () => {
    writeDutyTable(ROUNDS * ROUND_S, FAULT_FROM_S);
    const whole = await evaluated({ firstRows: 4 * ROUND_S });
    const lines = readFileSync(join(folder, 'duty.csv'), 'utf8').trimEnd().split('\n');
    writeFileSync(join(folder, 'duty.csv'), `${lines.slice(0, 1 + 7 * ROUND_S).join('\n')}\n`);
    const part = await evaluated({ firstRows: 4 * ROUND_S });
    const early = whole.detections.filter(({ to }) => to < isoAt(7 * ROUND_S - 1));
    expect(part.detections.slice(0, early.length)).toEqual(early);
    // Too little to find a state in: the machine has the one.
    expect((await evaluated({ firstRows: ROUND_S })).states).toEqual([]);
  });

  it('takes the states that a column of the table names, and shows them to people', async () => {
    writeDutyTable(ROUNDS * ROUND_S, FAULT_FROM_S);
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const lines = readFileSync(join(folder, 'duty.csv'), 'utf8').trimEnd().split('\n');
    const modes = lines.map((line, i) => {
      const { rpm } = dutyAt(i - 1);
      return `${line},${i === 0 ? 'mode' : rpm === 0 ? 'stopped' : `at-${rpm}`}`;
    });
    writeFileSync(join(folder, 'duty.csv'), `${modes.join('\n')}\n`);
    writeManifest({ tables: [{ ...manifest.tables[0], state: { column: 'mode' } }] });
    const { stdout } = await smEdge(['evaluate', folder, '--fit', `first:${4 * ROUND_S}`]);
    expect(stdout).toMatch(/operating states/);
    expect(stdout).toMatch(/at-800 +960 learned, 1200 judged .*F1 0\.9/);
    expect(stdout).toMatch(/stopped +0 learned, 0 judged, 500 not judged/);

    modes[5] = modes[5]!.replace(/[^,]*$/, 'full load!');
    writeFileSync(join(folder, 'duty.csv'), `${modes.join('\n')}\n`);
    expect(await smEdge(['evaluate', folder])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('duty.csv line 6: "full load!" is no name of an operating state'),
    });
  });

  it('names the key of states that are declared wrongly', async () => {
    writeDutyTable(100, 90, { states: { 'pump-1': { point: '{machine}.shaft.speed' } } });
    const { code, stderr } = await smEdge(['evaluate', folder]);
    expect(code).toBe(1);
    expect(stderr).toContain('the states of pump-1');
    expect(stderr).toContain('give stoppedBelow, bins or load');
  });
});

const RATE_HZ = 8000;
const WINDOW = 8192;

/** Ten windows of a shaft at a level; time passes between the recordings as it does between the rows of the speed. */
function writeRecording(file: string, level: number, noise: () => number): void {
  const samples = Float32Array.from(
    { length: 10 * WINDOW },
    (_, i) => (level * Math.sin((2 * Math.PI * 29.7 * i) / RATE_HZ) + 0.2 * level * noise()) / 16,
  );
  writeFileSync(join(folder, file), encodeWav({ samples, channels: 1, sampleRateHz: RATE_HZ }));
}

describe('sm-edge train DIR, by operating state', () => {
  const nameOf = (rpm: number) => (rpm === 0 ? 'stopped' : rpm === 800 ? 'low' : 'high');
  const entryOf = (file: string, more: object) => ({
    ...{ file, point: 'pump-1.de.acceleration', quantity: 'acceleration', unit: 'g' },
    ...{ fullScale: 16, label: 'normal', ...more },
  });

  /** Recordings at the duties in turn. */
  function recordings(more: (second: number, rpm: number) => object) {
    const random = seededRandom(4);
    const noise = () => gaussian(random);
    return Array.from({ length: 15 }, (_, i) => {
      const second = Math.floor(i / 3) * ROUND_S + [20, 200, 450][i % 3]!;
      const { rpm, level } = dutyAt(second);
      writeRecording(`${i}.wav`, level * (1 + 0.02 * noise()), noise);
      return entryOf(`${i}.wav`, more(second, rpm));
    });
  }

  async function trained(...args: string[]) {
    const answer = await smEdge(['train', folder, '--out', join(folder, 'models'), '--json', ...args]);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    const told = JSON.parse(answer.stdout);
    return { told, manifest: JSON.parse(readFileSync(join(told.folder, 'manifest.json'), 'utf8')) };
  }

  const STATES = [
    { state: 'low', rows: 50, thin: true, threshold: expect.any(Number) },
    { state: 'high', rows: 50, thin: true, threshold: expect.any(Number) },
  ];

  it('leaves a machine that stands still out, as a table of its speed tells', async () => {
    writeDutyTable(5 * ROUND_S, Number.POSITIVE_INFINITY);
    const { tables } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const entries = recordings((second) => ({ startedAt: isoAt(second) }));
    writeManifest({ tables, recordings: entries, states: DECLARED });
    const { told, manifest } = await trained();
    expect(told).toMatchObject({ rows: 100, leftOut: '50 windows (stopped)' });
    expect(told.states).toEqual(expect.arrayContaining(STATES));
    expect(Object.keys(manifest.training.states).sort()).toEqual(['high', 'low']);

    // The same machine, declared in the config of a gateway.
    writeManifest({ tables, recordings: entries });
    const config = join(folder, 'gateway.yaml');
    const machines = [{ id: 'pump-1', class: 'pump', states: DECLARED['pump-1'] }];
    writeFileSync(
      config,
      JSON.stringify({ gateway: { id: 'gw', site: 's' }, storage: { path: folder }, machines }),
    );
    const again = await trained('--config', config, '--model-version', '2');
    expect(again.told).toMatchObject({ rows: 100, leftOut: '50 windows (stopped)' });
    expect(again.manifest.file.sha256).toBe(manifest.file.sha256);
  });

  it('takes the state that the manifest names, or the speed at which a recording was made', async () => {
    const learned = async () => healthyRows(await openRecordingSet(folder), {});
    const inStates = { leftOut: { stopped: 50 }, states: expect.arrayContaining(['low', 'high']) };
    const entries = recordings((_, rpm) => ({ state: nameOf(rpm) }));
    writeManifest({ recordings: entries });
    expect(await learned()).toMatchObject(inStates);

    // Windows are as long as those at the fastest speed, which the nameplate tells a gateway.
    writeManifest({
      recordings: recordings((_, rpm) => ({ speedRpm: Math.max(1, rpm) })),
      states: DECLARED,
    });
    expect(await learned()).toMatchObject({ ...inStates, blockSamples: WINDOW });

    writeManifest({ recordings: entries.filter((_, i) => i % 3 === 0) });
    await expect(learned()).rejects.toThrow(
      'no healthy window is of a machine that runs steadily: 50 windows (stopped)',
    );
  });

  it('evaluates recordings by their state: an idle machine alarms not, a fault at the low duty is not hidden', async () => {
    const entries = recordings((_, rpm) => ({ state: nameOf(rpm) }));
    const random = seededRandom(5);
    writeRecording('faulty.wav', 2, () => gaussian(random));
    writeManifest({ recordings: [...entries, entryOf('faulty.wav', { label: 'faulty', state: 'low' })] });
    const { perRecording, states, confusion } = await evaluated();
    expect(perRecording.at(-1)).toMatchObject({ file: 'faulty.wav', state: 'low', anomalous: true });
    expect(perRecording[0]).toMatchObject({ score: null, anomalous: null, remark: 'not judged: stopped' });
    expect(confusion).toEqual({ tp: 1, fp: 0, tn: 15, fn: 0 });
    expect(states).toContainEqual(expect.objectContaining({ state: 'low', learned: 50, judged: 6 }));
    expect(states).toContainEqual(expect.objectContaining({ state: 'stopped', judged: 0, unjudged: 5 }));
    writeManifest({ recordings: [...recordings(() => ({})), entryOf('faulty.wav', { label: 'faulty' })] });
    const blind = await evaluated();
    expect(blind.perRecording.at(-1)).toMatchObject({ anomalous: false });
  });
});

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';
import { DATA_DIR, hasRecordings } from '../support/recordings.js';
import { writeSmallSet } from '../support/small-set.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-replay-'));
  writeSmallSet(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Line {
  readonly kind: string;
  readonly recording: string;
  readonly [key: string]: unknown;
}

const linesOf = (stdout: string): Line[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** Keys of each kind of line, as the other programs that read them know them; what a line may have beyond them is no concern here. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  features: ['recording', 'time', 'point', 'features'],
  score: ['recording', 'time', 'point', 'model', 'version', 'score', 'threshold', 'anomalous'],
  diagnosis: ['recording', 'time', 'point', 'fault', 'confidence', 'evidence'],
  alarm: ['recording', 'time', 'point', 'alarm', 'from', 'to', 'severity', 'message'],
  summary: [],
};

const FAULTS = 'normal outer inner ball cage unbalance misalignment looseness gear unknown'.split(' ');

const EVIDENCE = ['feature', 'frequencyHz', 'orders', 'value', 'ratio'];

describe('sm-edge replay', () => {
  it('prints lines of the kinds and with the keys that outsiders rely on, a summary last', async () => {
    const { code, stdout, stderr } = await smEdge(['replay', folder, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = linesOf(stdout);
    for (const line of lines) {
      expect(Object.keys(CONTRACT)).toContain(line.kind);
      expect(Object.keys(line)).toEqual(expect.arrayContaining([...CONTRACT[line.kind]!]));
      if (line.kind !== 'summary') expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
    const of = (kind: string) => lines.filter((line) => line.kind === kind);
    expect(of('features')[0]).toMatchObject({
      recording: 'a.wav',
      point: 'rig.de.acceleration',
      time: '1970-01-01T00:00:00.000Z',
      features: { rms: expect.closeTo(0.143, 2), crestFactor: expect.any(Number) },
    });
    expect(of('score')[0]).toMatchObject({
      model: 'vibration-anomaly',
      version: expect.any(String),
      score: expect.any(Number),
      threshold: expect.any(Number),
      anomalous: false,
    });
    expect(lines.filter(({ kind }) => kind === 'summary')).toHaveLength(1);
    expect(lines[lines.length - 1]).toMatchObject({ kind: 'summary', recordings: 3, tables: 1, readings: 2 });
  });

  it('gives one diagnosis for each recording, with its evidence', async () => {
    const { stdout } = await smEdge(['replay', folder, '--json']);
    const diagnoses = linesOf(stdout).filter(({ kind }) => kind === 'diagnosis');
    expect(diagnoses.map(({ recording }) => recording)).toEqual(['a.wav', 'b.wav', 'faulted.wav']);
    for (const { fault, confidence, evidence } of diagnoses) {
      expect(FAULTS).toContain(fault);
      expect(confidence).toBeGreaterThanOrEqual(0);
      expect(confidence).toBeLessThanOrEqual(1);
      for (const piece of evidence as object[])
        expect(Object.keys(piece)).toEqual(expect.arrayContaining(EVIDENCE));
    }
    expect(diagnoses[2]).toMatchObject({ fault: 'outer' });
    expect(diagnoses[2]!.evidence).not.toEqual([]);
  });

  it('raises the alarms of a config, and prints the same bytes each time', async () => {
    const config = join(folder, 'gateway.yaml');
    writeFileSync(
      config,
      `gateway: { id: gw-1 }
storage: { path: ${folder}/data }
alarms: [ { id: hot, point: rig.temperature, above: 21, priority: high } ]
`,
    );
    const once = () => smEdge(['replay', folder, '--config', config, '--json']);
    const first = await once();
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(linesOf(first.stdout).filter(({ kind }) => kind === 'alarm')).toEqual([
      expect.objectContaining({
        recording: 'table.csv',
        time: '2024-01-01T00:00:01.000Z',
        point: 'rig.temperature',
        alarm: 'hot',
        from: 'normal',
        to: 'unacknowledged',
        severity: 'high',
        message: expect.any(String),
      }),
    ]);
    expect((await once()).stdout).toBe(first.stdout);
  });

  it('tells a person the verdicts', async () => {
    const { code, stdout } = await smEdge(['replay', folder]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^faulted\.wav +outer +\d+ %/m);
    expect(stdout).toContain('3 recordings, 1 tables');
  });

  it('ends a truncated recording with one clear error and exit code 1', async () => {
    truncateSync(join(folder, 'b.wav'), 30_000);
    const { code, stderr } = await smEdge(['replay', folder]);
    expect(code).toBe(1);
    expect(stderr.match(/sm-edge: /g)).toHaveLength(1);
    expect(stderr).toMatch(/b\.wav is not whole: 160000 bytes of samples are announced/);
    expect(stderr).toContain('hint:');
    expect(stderr).not.toContain('    at ');
    const json = await smEdge(['replay', folder, '--json']);
    expect(json).toMatchObject({ code: 1, stderr: '' });
    expect(linesOf(json.stdout).pop()).toMatchObject({ ok: false, error: { code: 'WAV_TRUNCATED' } });
  });

  it('says what is wrong with a folder', async () => {
    const none = await smEdge(['replay', join(folder, 'none')]);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('no manifest.json');
    writeFileSync(join(folder, 'manifest.json'), '{ "format": ');
    const broken = await smEdge(['replay', folder]);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain('manifest.json');
    expect(broken.stderr).not.toContain('    at ');
  });

  it.skipIf(!hasRecordings('cwru'))(
    'ranks every faulted 12 kHz drive-end record of CWRU above the healthy one',
    async () => {
      const { code, stdout } = await smEdge(['replay', join(DATA_DIR, 'cwru'), '--json']);
      expect(code).toBe(0);
      const scores = new Map<string, number[]>();
      for (const { kind, recording, score } of linesOf(stdout)) {
        if (kind === 'score') scores.set(recording, [...(scores.get(recording) ?? []), score as number]);
      }
      const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
      const maximum = (values: number[]) => Math.max(...values);
      for (const figure of [median, maximum]) {
        const healthy = figure(scores.get('normal/normal_load0_97_DE_dec12k.wav')!);
        const faulted = [...scores]
          .filter(([file]) => file.startsWith('de12k/'))
          .map(([, values]) => figure(values));
        expect(faulted).toHaveLength(30);
        // Every pair is in order: the area under the ROC curve is 1.
        expect(Math.min(...faulted)).toBeGreaterThan(healthy);
      }
    },
  );
});

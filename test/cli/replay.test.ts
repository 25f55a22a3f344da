import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { encodeWav } from '#sm/signals/wav.js';
import { smEdge } from '../support/daemon.js';
import { DATA_DIR, hasRecordings } from '../support/recordings.js';

const RATE_HZ = 12_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-replay-'));
  const random = seededRandom(3);
  mkdirSync(join(folder, 'set'));
  for (const name of ['a', 'b']) {
    const samples = Float32Array.from(
      { length: 40_000 },
      (_, i) => 0.2 * Math.sin((2 * Math.PI * 29.9 * i) / RATE_HZ) + 0.02 * gaussian(random),
    );
    writeFileSync(
      join(folder, 'set', `${name}.wav`),
      encodeWav({ samples, channels: 1, sampleRateHz: RATE_HZ }),
    );
  }
  const recording = (name: string) => ({
    file: `${name}.wav`,
    point: 'rig.de.acceleration',
    quantity: 'acceleration',
    unit: 'g',
    fullScale: 1,
    sampleRateHz: RATE_HZ,
    speedRpm: 1794,
    label: 'normal',
  });
  writeFileSync(
    join(folder, 'set', 'table.csv'),
    'time;t\n2024-01-01 00:00:00;20.5\n2024-01-01 00:00:01;21.5\n',
  );
  writeFileSync(
    join(folder, 'set', 'manifest.json'),
    JSON.stringify({
      format: 'recording-set/1',
      name: 'small',
      bearings: {},
      recordings: [recording('a'), recording('b')],
      tables: [
        {
          file: 'table.csv',
          separator: ';',
          time: { column: 'time', format: 'yyyy-MM-dd HH:mm:ss' },
          points: [{ column: 't', point: 'rig.temperature', quantity: 'temperature', unit: 'degC' }],
        },
      ],
    }),
  );
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

describe('sm-edge replay', () => {
  it('gives features, scores, one diagnosis a recording and a summary last, the same bytes each time', async () => {
    const first = await smEdge(['replay', join(folder, 'set'), '--json']);
    const second = await smEdge(['replay', join(folder, 'set'), '--json']);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toBe(first.stdout);
    const lines = linesOf(first.stdout);
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
    expect(of('diagnosis').map(({ recording }) => recording)).toEqual(['a.wav', 'b.wav']);
    expect(of('diagnosis')[0]).toMatchObject({ fault: expect.any(String), evidence: expect.any(Array) });
    expect(lines[lines.length - 1]).toMatchObject({ kind: 'summary', recordings: 2, tables: 1, readings: 2 });
  });

  it('ends a truncated recording with one clear error and exit code 1', async () => {
    truncateSync(join(folder, 'set', 'b.wav'), 30_000);
    const { code, stderr } = await smEdge(['replay', join(folder, 'set')]);
    expect(code).toBe(1);
    expect(stderr).toContain('b.wav');
    expect(stderr).toContain('hint:');
    expect(stderr).not.toContain('    at ');
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

describe('sm-edge features', () => {
  it('gives the features of one file as one JSON document', async () => {
    const { code, stdout, stderr } = await smEdge([
      ...['features', join(folder, 'set', 'a.wav'), '--speed', '1794', '--bearing', '6205'],
      ...['--block', '16384', '--json'],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({ sampleRateHz: RATE_HZ, diagnosis: { fault: expect.any(String) } });
    expect(answer.blocks.map(({ offsetS }: { offsetS: number }) => offsetS)).toEqual([0, 16_384 / RATE_HZ]);
    expect(answer.blocks[0].features).toMatchObject({
      kurtosis: expect.any(Number),
      bpfo: expect.any(Number),
    });
  });

  it('says what is wrong with a file or an option', async () => {
    truncateSync(join(folder, 'set', 'a.wav'), 1_000);
    const truncated = await smEdge(['features', join(folder, 'set', 'a.wav')]);
    expect(truncated.code).toBe(1);
    expect(truncated.stderr).toContain('hint:');
    expect((await smEdge(['features', 'x.wav', '--speed', 'fast'])).code).toBe(2);
  });
});

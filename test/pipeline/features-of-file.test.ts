import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { featuresOfFile } from '#sm/pipeline/features-of-file.js';
import { encodeWav } from '#sm/signals/wav.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-file-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

const RATE = 8000;
const sine = Float32Array.from({ length: 2 * RATE }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 80 * i) / RATE));

describe('features of a file', () => {
  it('are the same from WAV, CSV and raw samples', async () => {
    const wav = put('a.wav', encodeWav({ sampleRateHz: RATE, channels: 1, samples: sine }));
    const whole = await featuresOfFile(wav, { fullScale: 10 });
    expect(whole.sampleRateHz).toBe(RATE);
    expect(whole.blocks).toHaveLength(1);
    expect(whole.blocks[0]!.features.rms).toBeCloseTo(5 / Math.SQRT2, 4);
    expect(whole.diagnosis.fault).toBe('unknown');

    const raw = put('a.f32', new Uint8Array(sine.slice().buffer));
    const times = Array.from(sine, (value, i) => `${i / RATE},${value}`).join('\n');
    const csv = put('a.csv', `time,acceleration\n${times}\n`);
    const same = { unit: 'g', blockLength: RATE };
    const expected = await featuresOfFile(wav, same);
    expect(expected.blocks.map((block) => block.offsetS)).toEqual([0, 1]);
    expect((await featuresOfFile(raw, { ...same, rateHz: RATE })).blocks).toEqual(expected.blocks);
    const fromCsv = await featuresOfFile(csv, same);
    expect(fromCsv.sampleRateHz).toBeCloseTo(RATE, 6);
    expect(fromCsv.blocks[1]!.features.kurtosis).toBeCloseTo(1.5, 4);
  });

  it('take speed and bearing', async () => {
    const wav = put('a.wav', encodeWav({ sampleRateHz: RATE, channels: 1, samples: sine }));
    const { blocks } = await featuresOfFile(wav, { speedRpm: 4800, bearing: '6205' });
    expect(blocks[0]!.features['order.1x']).toBeCloseTo(0.5, 3);
    expect(blocks[0]!.features.bpfo).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['a.csv', 'value\n1\nx\n', {}, 'FILE_FORMAT', /line 3/],
    ['a.csv', '1\n2\n', {}, 'SAMPLE_RATE_MISSING', /sample rate/],
    ['a.f32', new Uint8Array(7), { rateHz: 100 }, 'FILE_TRUNCATED', /7 bytes/],
    ['a.mp3', 'x', {}, 'FILE_FORMAT', /mp3/],
    ['a.wav', 'RIFF', {}, 'WAV_TRUNCATED', /not whole/],
    ['a.csv', '0,1\n1,2\n', { bearing: '12' }, 'BEARING_UNKNOWN', /12/],
    ['a.csv', '0,1\n1,2\n', { blockLength: 3 }, 'BLOCK_LENGTH', /does not fit/],
  ])('fail with a clear error: %s %s', async (name, content, options, code, message) => {
    const file = put(name, content);
    await expect(featuresOfFile(file, options)).rejects.toMatchObject({ code });
    await expect(featuresOfFile(file, options)).rejects.toThrow(message);
  });

  it('fail for a file that is not there', async () => {
    await expect(featuresOfFile(path.join(folder, 'no.wav'))).rejects.toMatchObject({ code: 'FILE_MISSING' });
  });
});

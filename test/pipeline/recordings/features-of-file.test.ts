import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { featuresOfFile } from '#sm/pipeline/recordings/features-of-file.js';
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

  it('follow a tachometer while the machine speeds up by a third', async () => {
    const rate = 8000;
    const vibration = new Float32Array(8 * rate);
    const pulses = new Float32Array(8 * rate);
    for (let i = 0; i < vibration.length; i++) {
      const t = i / rate;
      const turn = 18 * t + 0.375 * t * t;
      vibration[i] = 0.5 * Math.sin(2 * Math.PI * turn) + 0.25 * Math.sin(2 * Math.PI * 3 * turn);
      pulses[i] = turn - Math.floor(turn) < 0.05 ? 1 : 0;
    }
    const wav = (name: string, samples: Float32Array) =>
      put(name, encodeWav({ sampleRateHz: rate, channels: 1, samples }));
    const file = wav('run-up.wav', vibration);
    const { blocks, sampleRateHz } = await featuresOfFile(file, { tachometer: wav('tacho.wav', pulses) });
    expect(sampleRateHz / 512).toBeCloseTo(21, 0);
    expect(blocks[0]!.features['order.1x']).toBeCloseTo(0.5, 2);
    expect(blocks[0]!.features['order.2x']).toBeLessThan(0.01);
    expect(blocks[0]!.features['order.3x']).toBeCloseTo(0.25, 2);
    const smeared = await featuresOfFile(file, { speedRpm: 21 * 60 });
    expect(smeared.blocks[0]!.features['order.3x']).toBeLessThan(0.15);
    await expect(
      featuresOfFile(file, { tachometer: wav('still.wav', new Float32Array(9)) }),
    ).rejects.toMatchObject({
      code: 'TACHOMETER',
    });
    await expect(featuresOfFile(file, { teeth: 2.5 })).rejects.toMatchObject({ code: 'GEAR_TEETH' });
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

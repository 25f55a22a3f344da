import { describe, expect, it } from 'vitest';
import { encodeWav, readWav } from '#sm/signals/wav.js';

const audio = {
  sampleRateHz: 12_000,
  channels: 1,
  samples: Float32Array.from([0, 0.5, -0.5, 0.25, -1, 0.999_969_482_421_875, 1e-3]),
};

describe('WAV', () => {
  it.each([
    ['pcm16', 2 ** -16],
    ['pcm24', 2 ** -24],
    ['pcm32', 1e-7],
    ['float32', 0],
    ['float64', 0],
  ] as const)('gives back what was written as %s', async (encoding, error) => {
    const back = await readWav(encodeWav(audio, encoding));
    expect(back.sampleRateHz).toBe(12_000);
    expect(back.samples).toHaveLength(audio.samples.length);
    audio.samples.forEach((value, i) => {
      expect(Math.abs(back.samples[i]! - value)).toBeLessThanOrEqual(error);
    });
  });

  it('refuses every file that is cut, with one clear error', async () => {
    const whole = encodeWav(audio, 'pcm16');
    for (let length = 0; length < whole.length; length++)
      await expect(readWav(whole.subarray(0, length))).rejects.toMatchObject({ code: 'WAV_TRUNCATED' });
  });

  it('refuses what is no WAV, and hostile headers', async () => {
    await expect(readWav(Buffer.from('this is a text, no sound at all'))).rejects.toMatchObject({
      code: 'WAV_FORMAT',
    });
    const patched = (offset: number, value: number) => {
      const file = encodeWav(audio, 'pcm16');
      file.writeUInt16LE(value, offset);
      return file;
    };
    for (const [offset, value] of [
      [20, 85],
      [22, 0],
      [22, 60_000],
      [34, 12],
      [34, 0],
    ] as const)
      await expect(readWav(patched(offset, value))).rejects.toMatchObject({ code: 'WAV_FORMAT' });
    const huge = encodeWav(audio, 'pcm16');
    huge.writeUInt32LE(0xffff_fff0, 40);
    await expect(readWav(huge)).rejects.toMatchObject({ code: 'WAV_TRUNCATED' });
  });

  it('survives any bytes behind a RIFF header', async () => {
    let state = 1;
    for (let round = 0; round < 500; round++) {
      const file = encodeWav(audio, 'pcm16');
      for (let hit = 0; hit < 4; hit++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        file[12 + (state % 44)] = state >>> 24;
      }
      await readWav(file).then(
        (result) => expect(result.samples.length).toBeLessThanOrEqual(file.length),
        (error) => expect(error.code).toMatch(/^WAV_/),
      );
    }
  });
});

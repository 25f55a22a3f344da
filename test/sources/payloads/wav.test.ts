import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeWav, type WavEncoding } from '#sm/signals/wav.js';
import { requirePython, runPython } from '../../support/venv.js';
import { decode } from './support.js';

const ENCODINGS: readonly WavEncoding[] = ['pcm16', 'pcm24', 'pcm32', 'float32', 'float64'];

describe('WAV payloads', () => {
  it.each(ENCODINGS)('%s: every channel as a point, scaled to its unit', (encoding) => {
    const property = fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.integer({ min: -32_768, max: 32_767 }), { minLength: 4, maxLength: 64 }),
      (channels, raw) => {
        const frames = Math.floor(raw.length / channels);
        const samples = Float32Array.from(raw.slice(0, frames * channels), (value) => value / 32_768);
        const names = Array.from({ length: channels }, (_, i) => `c${i}`);
        const config = { kind: 'wav', unit: 'Pa', fullScale: 2, channels: names };
        const { blocks } = decode(config, encodeWav({ sampleRateHz: 48_000, channels, samples }, encoding));
        expect(blocks.map(({ point }) => point)).toEqual(names.map((name) => `p.${name}`));
        for (const [channel, block] of blocks.entries()) {
          expect(block).toMatchObject({ sampleRateHz: 48_000, unit: 'Pa', quality: 'good' });
          expect([...block.samples]).toEqual(
            Array.from({ length: frames }, (_, i) => samples[i * channels + channel]! * 2),
          );
        }
      },
    );
    fc.assert(property, { numRuns: 50 });
  });

  it('refuses another number of channels, and what is no WAV file', () => {
    const wav = encodeWav({ sampleRateHz: 8000, channels: 2, samples: new Float32Array(4) });
    expect(() => decode({ kind: 'wav', unit: 'Pa' }, wav)).toThrow(/2 channels where 1/);
    for (const bytes of [Buffer.from('RIFF'), wav.subarray(0, 50), Buffer.alloc(100)])
      expect(() => decode({ kind: 'wav', unit: 'Pa' }, bytes)).toThrow(
        expect.objectContaining({ code: 'PAYLOAD_INVALID' }),
      );
  });
});

describe.skipIf(!requirePython('scipy'))('WAV payloads that scipy writes', () => {
  it('are read sample by sample', async () => {
    const script = `
import io, json, base64, numpy as np, scipy.io.wavfile as w
rng = np.random.default_rng(1); out = []
for dtype in ('int16', 'int32', 'float32', 'float64'):
    x = (rng.uniform(-1, 1, (50, 2)) * (np.iinfo(dtype).max if 'int' in dtype else 1)).astype(dtype)
    f = io.BytesIO(); w.write(f, 25600, x)
    scale = float(np.iinfo(dtype).max) + 1 if 'int' in dtype else 1.0
    out.append({'wav': base64.b64encode(f.getvalue()).decode(), 'x': (x.astype('float64') / scale).astype('float32').T.tolist()})
print(json.dumps(out))`;
    const files = JSON.parse(await runPython(['-c', script])) as { wav: string; x: number[][] }[];
    for (const { wav, x } of files) {
      const config = { kind: 'wav', unit: 'g', channels: ['a', 'b'] };
      const { blocks } = decode(config, Buffer.from(wav, 'base64'));
      expect(blocks.map(({ samples }) => [...samples])).toEqual(x);
    }
  });
});

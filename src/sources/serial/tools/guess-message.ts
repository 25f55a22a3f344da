import { readSamples, type SampleEncoding } from '../../payloads/sample-encoding.js';

/** Frames at least this long are taken for waveforms. */
const WAVEFORM_BYTES = 64;
const ENCODINGS: readonly SampleEncoding[] = [
  'int16le',
  'int16be',
  'int32le',
  'int32be',
  'float32le',
  'float32be',
];
const COUNTERS = [
  ['uint16le', 2],
  ['uint16be', 2],
  ['uint32le', 4],
  ['uint32be', 4],
  ['uint8', 1],
] as const;
const RATES_HZ = [
  100, 200, 400, 500, 800, 1000, 1600, 2000, 3200, 4000, 5000, 6400, 8000, 10_000, 12_000, 12_800, 16_000,
  20_000, 22_050, 25_600, 32_000, 44_100, 48_000, 51_200, 96_000,
];

/** What the frames may hold, as the `messages` of a config. `framesPerS`: how fast they came. */
export function guessMessages(frames: readonly Buffer[], text: boolean, framesPerS: number): object[] {
  return text
    ? textMessages(frames.map((frame) => frame.toString('latin1')))
    : binaryMessages(frames, framesPerS);
}

/** Numbers become named groups of a pattern, what stands before them their names. */
function textMessages(lines: readonly string[]): object[] {
  const sample = lines[Math.floor(lines.length / 2)] ?? '';
  try {
    const document = JSON.parse(sample) as unknown;
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
      return Object.entries(document)
        .filter(([key, value]) => typeof value === 'number' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(key))
        .map(([key]) => ({
          point: `serial-device.${key.replace(/^_+/, 'x')}`,
          payload: { kind: 'json', value: `$.${key}`, unit: '1' },
        }));
    }
  } catch {
    // No JSON: a line of text.
  }
  const values: { channel: string; unit: string }[] = [];
  let pattern = '';
  let at = 0;
  for (const match of sample.matchAll(/[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g)) {
    const before = sample.slice(at, match.index);
    // A digit in a name such as T1 is no value.
    if (/[A-Za-z_]$/.test(before)) continue;
    const [, word = ''] = /([A-Za-z][A-Za-z0-9_]*)\W*$/.exec(before) ?? [];
    let channel = word === '' ? `c${values.length + 1}` : word;
    if (values.some((known) => known.channel === channel)) channel = `${channel}${values.length + 1}`;
    pattern += `${escaped(before)}(?<${channel}>[-+.0-9eE]+)`;
    values.push({ channel, unit: '1' });
    at = match.index + match[0].length;
  }
  if (values.length === 0) return [];
  pattern = `^${pattern}${escaped(sample.slice(at))}$`;
  return [{ point: 'serial-device.{channel}', payload: { kind: 'pattern', pattern, values } }];
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s*');

function binaryMessages(frames: readonly Buffer[], framesPerS: number): object[] {
  const length = frames[0]?.length ?? 0;
  const counter = COUNTERS.find(([type, bytes]) => length >= bytes && counts(frames, type, bytes));
  const headerBytes = counter?.[1] ?? 0;
  if (length < WAVEFORM_BYTES) {
    const values = [{ channel: 'raw', at: headerBytes, type: 'uint8', unit: '1' }];
    return [{ point: 'serial-device.{channel}', payload: { kind: 'fields', values } }];
  }
  const encoding = smoothest(frames[0]!, headerBytes);
  const samples = (length - headerBytes) / encoding.bytes;
  const rateHz = samples * framesPerS;
  const sampleRateHz = RATES_HZ.reduce((best, rate) =>
    Math.abs(rate - rateHz) < Math.abs(best - rateHz) ? rate : best,
  );
  const header =
    counter === undefined
      ? {}
      : { header: { bytes: headerBytes, sequence: { offset: 0, type: counter[0] } } };
  const payload = { kind: 'waveform', ...header, encoding: encoding.name, sampleRateHz, unit: 'g' };
  return [{ point: 'serial-device.acceleration', payload }];
}

/** Does the number at the start go up by one from frame to frame? */
function counts(frames: readonly Buffer[], type: string, bytes: number): boolean {
  const value = (frame: Buffer) =>
    type.endsWith('be') ? frame.readUIntBE(0, bytes) : frame.readUIntLE(0, bytes);
  let steps = 0;
  for (let i = 1; i < frames.length; i++) {
    if (frames[i]!.length >= bytes && (value(frames[i - 1]!) + 1) % 2 ** (8 * bytes) === value(frames[i]!))
      steps++;
  }
  return frames.length > 2 && steps >= 0.8 * (frames.length - 1);
}

/** The encoding in which neighbours are alike, as those of a signal are. */
function smoothest(frame: Buffer, offset: number): { name: SampleEncoding; bytes: number } {
  let best: { name: SampleEncoding; bytes: number; roughness: number } | undefined;
  for (const name of ENCODINGS) {
    const bytes = name.includes('16') ? 2 : 4;
    if ((frame.length - offset) % bytes !== 0) continue;
    const run = { bytes: frame, offset, stride: bytes, count: (frame.length - offset) / bytes };
    const { samples, finite } = readSamples(run, name, 1, 0);
    if (!finite) continue;
    let [steps, sum, squares] = [0, 0, 0];
    for (let i = 0; i < samples.length; i++) {
      sum += samples[i]!;
      squares += samples[i]! ** 2;
      if (i > 0) steps += (samples[i]! - samples[i - 1]!) ** 2;
    }
    const variance = squares / samples.length - (sum / samples.length) ** 2;
    const roughness = steps / samples.length / Math.max(variance, 1e-30);
    // A float that is absurdly large or small is no float.
    const rms = Math.sqrt(squares / samples.length);
    if (name.startsWith('float') && (rms > 1e6 || rms < 1e-9)) continue;
    if (best === undefined || roughness < best.roughness * 0.95) best = { name, bytes, roughness };
  }
  return best ?? { name: 'int16le', bytes: 2 };
}

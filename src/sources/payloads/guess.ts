import { isSampleRate } from '../../signals/sample-rate.js';
import { parseCbor } from './cbor.js';
import { type FoundDocument, findInDocument } from './guess-document.js';
import { guessSamples } from './guess-samples.js';
import { createDecoder, payloadSchema } from './index.js';
import { parseLineProtocol } from './line-protocol-text.js';
import type { Decoded, PointOf } from './payload.js';
import { asBuffer } from './text.js';

/** One way to read a payload, as a config that the gateway accepts. */
export interface PayloadGuess {
  readonly kind: string;
  /** For `payload:` in a subscription. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Named channels: the point then holds {channel}. */
  readonly channels: readonly string[];
  /** Further names for the point, such as tags. */
  readonly names: readonly string[];
  /** What a person should look at before pasting it; empty where nothing is doubtful. */
  readonly note: string;
}

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/temp/i, 'degC'],
  [/humid|percent|level|load/i, '%'],
  [/press/i, 'bar'],
  [/accel|vibr|(^|[._-])g$/i, 'g'],
  [/velocity/i, 'mm/s'],
  [/current|amp/i, 'A'],
  [/volt/i, 'V'],
  [/power/i, 'kW'],
  [/speed|rpm/i, 'rpm'],
  [/sound|noise|audio|mic/i, 'Pa'],
];

/** A unit by the name of a value or a topic; 1 where the name says nothing. */
export const guessUnit = (name: string): string => UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? '1';

const COMMON_RATES = [
  100, 200, 400, 500, 800, 1000, 1600, 2000, 3200, 4000, 5000, 6400, 8000, 10_000, 12_000,
];
const HIGHER_RATES = [12_800, 16_000, 20_000, 22_050, 25_600, 32_000, 44_100, 48_000, 51_200, 64_000, 96_000];

/**
 * The sample rate at which so many samples fill the time between two messages; the nearest common one. Undefined where
 * it would be no sample rate: messages that were held up somewhere come all at once.
 */
export function guessRateHz(samples: number, intervalMs: number | undefined): number | undefined {
  if (intervalMs === undefined || intervalMs <= 0) return undefined;
  const measured = (samples * 1000) / intervalMs;
  if (!isSampleRate(measured)) return undefined;
  const near = [...COMMON_RATES, ...HIGHER_RATES].find((rate) => Math.abs(rate / measured - 1) < 0.05);
  return near ?? Math.max(1, Number(measured.toPrecision(2)));
}

const channelOf = (name: string): string =>
  name
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 32) || 'value';

function unique(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name.slice(0, 28)}-${count}`;
  });
}

const guess = (
  config: Record<string, unknown>,
  note = '',
  channels: readonly string[] = [],
  names: readonly string[] = [],
): PayloadGuess => ({
  kind: String(config.kind),
  config,
  channels,
  names,
  note,
});

export interface GuessContext {
  /** The topic, or any name that hints at the unit. */
  readonly name: string;
  /** Time between two messages, where it is known. */
  readonly intervalMs?: number | undefined;
}

const RATE_NOTE = 'the sample rate is what fills the time between two messages: set the one of the device';

function ofDocument(kind: 'json' | 'cbor', found: FoundDocument, context: GuessContext): PayloadGuess[] {
  const time = found.time === undefined ? {} : { time: found.time };
  const out: PayloadGuess[] = [];
  for (const { path, name, length } of found.arrays) {
    const unit = guessUnit(`${name} ${context.name}`);
    if (found.rate !== undefined) {
      out.push(guess({ kind, value: path, sampleRatePath: found.rate.path, ...time, unit }));
    } else {
      const sampleRateHz = guessRateHz(length, context.intervalMs) ?? 1000;
      out.push(guess({ kind, value: path, sampleRateHz, ...time, unit }, RATE_NOTE));
    }
  }
  const [first] = found.numbers;
  if (first === undefined) return out;
  if (found.numbers.length === 1) {
    out.push(guess({ kind, value: first.path, ...time, unit: guessUnit(`${first.name} ${context.name}`) }));
    return out;
  }
  const channels = unique(found.numbers.map(({ name }) => channelOf(name)));
  const values = found.numbers.map(({ path, name }, i) => ({
    channel: channels[i],
    path,
    unit: guessUnit(name),
  }));
  out.push(guess({ kind, ...time, values }, '', channels));
  return out;
}

function ofLineProtocol(text: string): PayloadGuess[] {
  let faults = 0;
  const lines = parseLineProtocol(text, () => faults++);
  // "T=61.5 P=3.2" is line protocol too, but nobody names a measurement so.
  if (faults > 0 || lines.length === 0 || lines.some(({ measurement }) => measurement.includes('=')))
    return [];
  const fields = new Map<string, string>();
  for (const { fields: own } of lines)
    for (const [key, value] of own) if (typeof value !== 'string') fields.set(key, key);
  if (fields.size === 0) return [];
  const tags = [...new Set(lines.flatMap((line) => [...line.tags.keys()]))].filter(
    (tag) =>
      /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(tag) &&
      tag !== 'channel' &&
      lines.every((line) => line.tags.has(tag)),
  );
  const keys = [...fields.keys()].slice(0, 64);
  const channels = unique(keys.map(channelOf));
  const values = keys.map((field, i) => ({ channel: channels[i], field, unit: guessUnit(field) }));
  const kept = tags.slice(0, 3);
  return [
    guess(
      { kind: 'line-protocol', ...(kept.length === 0 ? {} : { tags: kept }), values },
      '',
      channels,
      kept,
    ),
  ];
}

function ofText(text: string, context: GuessContext): PayloadGuess[] {
  const out: PayloadGuess[] = [];
  const unit = guessUnit(context.name);
  out.push(guess({ kind: 'number', unit }), ...ofLineProtocol(text));
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const rowLengths = (separator: string) => new Set(lines.map((line) => line.split(separator).length));
  for (const separator of [';', '\t', ',']) {
    const [columns = 1, ...others] = rowLengths(separator);
    if (columns < 2 || others.length > 0) continue;
    for (const decimal of separator === ',' ? ['.'] : ['.', ','])
      out.push(
        guess(
          { kind: 'csv', separator, decimal, value: columns, unit },
          'the last column is taken for the value',
        ),
      );
  }
  const pairs = [...text.matchAll(/([A-Za-z]\w{0,30})\s*[=:]\s*([-+]?\d+(?:\.\d+)?)/g)];
  if (pairs.length > 0 && pairs.length <= 16 && lines.length === 1) {
    const channels = unique(pairs.map(([, name]) => name!));
    const groups = channels.map((channel) => channel.replaceAll('-', '_'));
    const pattern = pairs.map(([, name], i) => `${name}\\s*[=:]\\s*(?<${groups[i]}>[-+.0-9]+)`).join('.*?');
    const values = channels.map((channel, i) => ({ channel, group: groups[i], unit: guessUnit(channel) }));
    out.push(guess({ kind: 'pattern', pattern, values }, '', channels));
  }
  return out;
}

function ofBinary(bytes: Uint8Array, context: GuessContext): PayloadGuess[] {
  const unit = guessUnit(context.name);
  if (asBuffer(bytes).toString('latin1', 0, 4) === 'RIFF' && bytes.length >= 24) {
    const count = asBuffer(bytes).readUInt16LE(22);
    const channels =
      count > 1 && count <= 64 ? Array.from({ length: count }, (_, i) => `channel-${i + 1}`) : [];
    return [
      guess({ kind: 'wav', unit, ...(channels.length === 0 ? {} : { channels }) }, 'set fullScale', channels),
    ];
  }
  const waveforms = guessSamples(bytes).map(({ encoding, samples, roughness }) => {
    const sampleRateHz = guessRateHz(samples, context.intervalMs) ?? 1000;
    const doubt = roughness > 0.8 ? 'looks like noise in every encoding, perhaps another one; ' : '';
    return guess({ kind: 'waveform', encoding, sampleRateHz, unit }, doubt + RATE_NOTE);
  });
  if (bytes.length > 32 || bytes.length % 2 !== 0) return waveforms;
  const values = Array.from({ length: bytes.length / 2 }, (_, i) => ({
    channel: `value-${i + 1}`,
    at: 2 * i,
    type: 'int16be',
    unit: '1',
  }));
  const channels = values.map(({ channel }) => channel);
  return [
    ...waveforms,
    guess(
      { kind: 'fields', bytes: bytes.length, values },
      'set types, scales and units by the data sheet',
      channels,
    ),
  ];
}

function parsed(parse: () => unknown): unknown {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

function candidates(bytes: Uint8Array, context: GuessContext): PayloadGuess[] {
  const text = asBuffer(bytes).toString('utf8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what tells bytes from text
  const isText = !/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(text) && text.trim() !== '';
  if (isText) {
    const json = parsed(() => JSON.parse(text));
    if (typeof json === 'object' && json !== null) return ofDocument('json', findInDocument(json), context);
    return ofText(text, context);
  }
  const cbor = parsed(() => parseCbor(bytes));
  const isDocument = typeof cbor === 'object' && cbor !== null && !(cbor instanceof Uint8Array);
  return [
    ...(isDocument ? ofDocument('cbor', findInDocument(cbor), context) : []),
    ...ofBinary(bytes, context),
  ];
}

const pointOf = (channel: string, names?: Readonly<Record<string, string>>) =>
  ['p', ...Object.values(names ?? {}), channel].filter((part) => part !== '').join('.');

export interface AcceptedGuess extends PayloadGuess {
  /** What the last payload becomes with it. */
  readonly decoded: Decoded;
}

/** Every way to read these payloads of one topic that its decoder accepts, the likeliest first. */
export function guessPayload(payloads: readonly Uint8Array[], context: GuessContext): AcceptedGuess[] {
  const last = payloads.at(-1);
  if (last === undefined) return [];
  const accepted: AcceptedGuess[] = [];
  for (const one of candidates(last, context)) {
    const config = payloadSchema.safeParse(one.config);
    if (!config.success) continue;
    try {
      const decoder = createDecoder(config.data, pointOf as PointOf);
      let decoded: Decoded | undefined;
      for (const payload of payloads) decoded = decoder.decode(payload, { timeMs: 0, repeated: false });
      const items = decoded!.readings.length + decoded!.blocks.length;
      const good = [...decoded!.readings, ...decoded!.blocks].some(({ quality }) => quality === 'good');
      if (items > 0 && good && decoded!.partial === undefined) accepted.push({ ...one, decoded: decoded! });
    } catch {
      // Not this kind.
    }
  }
  return accepted;
}

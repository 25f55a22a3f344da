import { isSampleRate } from '../../signals/sample-rate.js';
import { type ScalarRules, scalarReading } from '../scalar.js';
import { BlockTiming, type ChannelSamples } from './block-timing.js';
import type { DocumentConfig } from './document-config.js';
import { type JsonPath, jsonPath } from './json-path.js';
import {
  type Arrival,
  type Decoded,
  NO_BLOCKS,
  NO_READINGS,
  type PayloadDecoder,
  type PointOf,
} from './payload.js';
import { bytesPerSample, readSamples } from './sample-encoding.js';
import { invalidPayload, parseNumberText } from './text.js';
import { timestampMs } from './timestamp.js';

type NumericArray = readonly unknown[] | Float32Array | Float64Array;

/** A value of a document as a raw number; null is what devices write for "no measurement". */
function rawNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return Number(value);
  if (value === null || value === undefined) return value === null ? Number.NaN : undefined;
  return typeof value === 'string' ? parseNumberText(value) : undefined;
}

const nameOf = (value: unknown): string =>
  value === undefined
    ? 'nothing'
    : isArray(value)
      ? 'an array'
      : value instanceof Date
        ? 'a time'
        : typeof value;

/** JSON and CBOR arrays, and the typed arrays of CBOR (RFC 8746); bytes are no array of numbers by themselves. */
const isArray = (value: unknown): value is NumericArray =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof Uint8Array));

function numberAt(path: JsonPath, value: unknown): number {
  const raw = rawNumber(value);
  if (raw === undefined) throw invalidPayload(`${path.text} holds ${nameOf(value)}, not a number`);
  return raw;
}

/** Bytes of a CBOR byte string or of base64 text. */
function bytesAt(path: JsonPath, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  // Buffer ignores what is no base64; a text of other characters would become noise.
  if (typeof value === 'string' && /^[A-Za-z0-9+/\s_-]*={0,2}\s*$/.test(value))
    return Buffer.from(value, 'base64');
  throw invalidPayload(`${path.text} holds ${nameOf(value)}, not bytes or base64 text`);
}

/**
 * The decoder of documents, whatever they are written in. The plan (paths, points, rules) is made once; a message
 * with one value costs the parse, the walk to it and one reading.
 * @param parse bytes to a document; throws `PAYLOAD_INVALID`
 */
export function documentDecoder(
  config: DocumentConfig,
  pointOf: PointOf,
  parse: (payload: Uint8Array) => unknown,
): PayloadDecoder {
  const timePath = config.time === undefined ? undefined : jsonPath(config.time.path)!;
  const deviceTime = timePath !== undefined;

  const timeOf = (value: unknown): number => {
    const timeMs = value instanceof Date ? value.getTime() : timestampMs(value, config.time!.unit);
    if (timeMs === undefined || Number.isNaN(timeMs))
      throw invalidPayload(
        `${config.time!.path} holds no time in ${config.time!.unit}`,
        'compare time.path and time.unit with a message as it comes in',
      );
    return timeMs;
  };

  if (config.values !== undefined) {
    const values = config.values.map((rules) => ({
      point: pointOf(rules.channel),
      path: jsonPath(rules.path)!,
      rules,
    }));
    return {
      decode(payload, arrival) {
        const document = parse(payload);
        const timeMs = timePath === undefined ? arrival.timeMs : timeOf(timePath.read(document));
        const readings = [];
        for (const { point, path, rules } of values) {
          const found = path.read(document);
          // A device sends what changed: what is not there is no fault, unless nothing is.
          if (found !== undefined) readings.push(scalarReading(point, timeMs, numberAt(path, found), rules));
        }
        if (readings.length === 0)
          throw invalidPayload(
            'none of the declared values is in the message',
            'compare values[].path with it',
          );
        return { readings, blocks: NO_BLOCKS, deviceTime };
      },
    };
  }

  const point = pointOf('');
  const valuePath = jsonPath(config.value!)!;
  const ratePath = config.sampleRatePath === undefined ? undefined : jsonPath(config.sampleRatePath)!;
  const sequencePath = config.sequencePath === undefined ? undefined : jsonPath(config.sequencePath)!;
  const isWaveform = config.sampleRateHz !== undefined || ratePath !== undefined;
  const rules: ScalarRules = { ...config, unit: config.unit! };
  const timing = new BlockTiming();

  const samplesOf = (value: unknown): ChannelSamples => {
    const { encoding, scale, offset } = config;
    if (encoding !== undefined) {
      const bytes = bytesAt(valuePath, value);
      const stride = bytesPerSample(encoding);
      if (bytes.length % stride !== 0)
        throw invalidPayload(`${bytes.length} bytes are no whole number of ${encoding} samples`);
      const run = { bytes, offset: 0, stride, count: bytes.length / stride };
      return { point, ...readSamples(run, encoding, scale, offset) };
    }
    const values = value as NumericArray;
    const samples = new Float32Array(values.length);
    let finite = true;
    for (let i = 0; i < values.length; i++) {
      const sample = numberAt(valuePath, values[i]) * scale + offset;
      finite &&= Number.isFinite(sample);
      samples[i] = sample;
    }
    return { point, samples, finite };
  };

  const rateOf = (document: unknown): number => {
    if (ratePath === undefined) return config.sampleRateHz!;
    const rate = numberAt(ratePath, ratePath.read(document));
    if (!isSampleRate(rate)) throw invalidPayload(`${ratePath.text} holds a sample rate of ${rate} Hz`);
    return rate;
  };

  const waveform = (document: unknown, value: unknown, time: unknown, arrival: Arrival): Decoded => {
    const channel = samplesOf(value);
    if (channel.samples.length === 0) return { readings: NO_READINGS, blocks: NO_BLOCKS };
    const sequence =
      sequencePath === undefined ? undefined : numberAt(sequencePath, sequencePath.read(document));
    if (sequence !== undefined && !Number.isSafeInteger(sequence))
      throw invalidPayload(`${sequencePath!.text} holds no running number`);
    return timing.stamp([channel], {
      arrival,
      unit: rules.unit,
      sampleRateHz: rateOf(document),
      startedAtMs: timePath === undefined ? undefined : timeOf(isArray(time) ? time[0] : time),
      sequence,
    });
  };

  return {
    decode(payload, arrival) {
      const document = parse(payload);
      const value = valuePath.read(document);
      const time = timePath?.read(document);
      if (config.encoding !== undefined) return waveform(document, value, time, arrival);
      if (!isArray(value)) {
        const timeMs = timePath === undefined ? arrival.timeMs : timeOf(time);
        const reading = scalarReading(point, timeMs, numberAt(valuePath, value), rules);
        return { readings: [reading], blocks: NO_BLOCKS, deviceTime };
      }
      if (value.length === 0) return { readings: NO_READINGS, blocks: NO_BLOCKS };
      if (isWaveform) return waveform(document, value, time, arrival);
      if (!isArray(time) || time.length !== value.length)
        throw invalidPayload(
          `${config.value} holds ${value.length} values but there is not one time for each`,
          'declare sampleRateHz for a waveform, or a time.path with as many times as values',
        );
      const readings = Array.from(value, (item, i) =>
        scalarReading(point, timeOf(time[i]), numberAt(valuePath, item), rules),
      );
      return { readings, blocks: NO_BLOCKS, deviceTime };
    },
  };
}

import { bytesPerSample, readSamples, type SampleEncoding } from '../payloads/sample-encoding.js';
import { invalidPayload } from '../payloads/text.js';
import { decodeWire, has, toNumber, type WireMetric, type WireProperty } from './proto.js';

/** Data types of Sparkplug B (6.4.16 and 6.4.17), those that hold numbers. */
export const DATA_TYPE = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
  Text: 14,
} as const;

const SIGNED_BITS: Readonly<Record<number, number>> = { 1: 8, 2: 16, 3: 32 };

/** Arrays are packed little-endian into bytes (6.4.17). */
const ARRAY_ENCODING: Readonly<Record<number, SampleEncoding>> = {
  22: 'int8',
  23: 'int16le',
  24: 'int32le',
  26: 'uint8',
  27: 'uint16le',
  30: 'float32le',
  31: 'float64le',
};

/** One metric of a payload, read as far as its own bytes go: what its birth says comes in later. */
export interface Metric {
  readonly name: string | undefined;
  readonly alias: string | undefined;
  readonly timestampMs: number | undefined;
  readonly datatype: number | undefined;
  readonly isNull: boolean;
  readonly wire: WireMetric;
}

export interface Payload {
  readonly timestampMs: number | undefined;
  readonly seq: number | undefined;
  readonly metrics: readonly Metric[];
}

/** Templates in templates: deeper ones are not looked into. */
const MAX_DEPTH = 4;

/** @throws SmEdgeError `PAYLOAD_INVALID` */
export function decodePayload(bytes: Uint8Array): Payload {
  try {
    const wire = decodeWire(bytes);
    const metrics: Metric[] = [];
    collect(wire.metrics, '', 0, metrics);
    return {
      timestampMs: has(wire, 'timestamp') ? toNumber(wire.timestamp) : undefined,
      seq: has(wire, 'seq') ? toNumber(wire.seq) : undefined,
      metrics,
    };
  } catch (thrown) {
    throw invalidPayload(
      `${bytes.length} bytes that are no Sparkplug B payload: ${(thrown as Error).message}`,
    );
  }
}

/** The metrics in a template instance become metrics of their own: `motor/temperature`. */
function collect(wires: readonly WireMetric[], prefix: string, depth: number, out: Metric[]): void {
  for (const wire of wires) {
    const name = has(wire, 'name') && wire.name !== '' ? prefix + wire.name : undefined;
    if (has(wire, 'templateValue') && wire.templateValue !== null) {
      if (wire.templateValue.isDefinition || depth >= MAX_DEPTH || name === undefined) continue;
      collect(wire.templateValue.metrics, `${name}/`, depth + 1, out);
      continue;
    }
    out.push({
      name,
      alias: has(wire, 'alias') ? String(wire.alias) : undefined,
      timestampMs: has(wire, 'timestamp') ? toNumber(wire.timestamp) : undefined,
      datatype: has(wire, 'datatype') ? wire.datatype : undefined,
      isNull: wire.isNull,
      wire,
    });
  }
}

/**
 * The value as a number by its data type; NaN for a null value; undefined where the type holds none (text, files,
 * data sets).
 */
export function numberOf(metric: Pick<Metric, 'wire' | 'isNull'>, datatype: number): number | undefined {
  const { wire } = metric;
  if (!isNumberType(datatype)) return undefined;
  if (metric.isNull) return Number.NaN;
  if (has(wire, 'doubleValue')) return wire.doubleValue;
  if (has(wire, 'floatValue')) return wire.floatValue;
  if (has(wire, 'booleanValue')) return wire.booleanValue ? 1 : 0;
  if (has(wire, 'intValue')) {
    const bits = SIGNED_BITS[datatype];
    // Negative values are sent as their two's complement of 32 bits, by some of their own width.
    return bits === undefined ? wire.intValue : (wire.intValue << (32 - bits)) >> (32 - bits);
  }
  if (has(wire, 'longValue')) {
    if (datatype !== DATA_TYPE.Int64) return toNumber(wire.longValue);
    return Number(BigInt.asIntN(64, BigInt(String(wire.longValue))));
  }
  return undefined;
}

/** The samples of an array metric; undefined where the type is no array of numbers. */
export function samplesOf(
  { wire }: Pick<Metric, 'wire'>,
  datatype: number,
  scale: number,
  offset: number,
): { samples: Float32Array; finite: boolean } | undefined {
  const encoding = ARRAY_ENCODING[datatype];
  if (encoding === undefined || !has(wire, 'bytesValue')) return undefined;
  const stride = bytesPerSample(encoding);
  const { bytesValue: bytes } = wire;
  if (bytes.length % stride !== 0)
    throw invalidPayload(`${bytes.length} bytes are no whole number of ${encoding} samples`);
  return readSamples({ bytes, offset: 0, stride, count: bytes.length / stride }, encoding, scale, offset);
}

export const isNumberType = (datatype: number): boolean =>
  datatype >= DATA_TYPE.Int8 && datatype <= DATA_TYPE.Boolean;

export const isArrayType = (datatype: number): boolean => ARRAY_ENCODING[datatype] !== undefined;

/** A property of a metric as number or text. */
export function propertyOf(
  { wire }: Pick<Metric, 'wire'>,
  ...names: readonly string[]
): number | string | undefined {
  const { properties } = wire;
  if (!has(wire, 'properties') || properties === null) return undefined;
  const index = properties.keys.findIndex((key) => names.includes(key));
  const value = index === -1 ? undefined : properties.values[index];
  return value === undefined || value.isNull ? undefined : propertyValue(value);
}

function propertyValue(value: WireProperty): number | string | undefined {
  if (has(value, 'stringValue')) return value.stringValue;
  if (has(value, 'intValue')) return value.intValue | 0;
  if (has(value, 'longValue')) return toNumber(value.longValue);
  if (has(value, 'doubleValue')) return value.doubleValue;
  if (has(value, 'floatValue')) return value.floatValue;
  return undefined;
}

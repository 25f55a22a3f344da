import { type DecodeOptions, decode, type TagDecoder } from 'cborg';
import { z } from 'zod';
import { documentDecoder } from './document.js';
import { checkDocument, documentShape } from './document-config.js';
import type { PayloadDecoder, PayloadKind, PointOf } from './payload.js';
import { invalidPayload } from './text.js';

const configSchema = z
  .strictObject({
    kind: z.literal('cbor').describe('The payload is a CBOR document (RFC 8949)'),
    ...documentShape,
  })
  .superRefine(checkDocument);

type CborConfig = z.infer<typeof configSchema>;

/** Typed arrays (RFC 8746, 2): tags 64 to 87 say how the numbers in a byte string are written. */
const TYPED_ARRAYS: Readonly<
  Record<number, readonly [bytes: number, read: keyof DataView, little: boolean]>
> = {
  64: [1, 'getUint8', false],
  65: [2, 'getUint16', false],
  66: [4, 'getUint32', false],
  67: [8, 'getBigUint64', false],
  68: [1, 'getUint8', false],
  69: [2, 'getUint16', true],
  70: [4, 'getUint32', true],
  71: [8, 'getBigUint64', true],
  72: [1, 'getInt8', false],
  73: [2, 'getInt16', false],
  74: [4, 'getInt32', false],
  75: [8, 'getBigInt64', false],
  77: [2, 'getInt16', true],
  78: [4, 'getInt32', true],
  79: [8, 'getBigInt64', true],
  81: [4, 'getFloat32', false],
  82: [8, 'getFloat64', false],
  85: [4, 'getFloat32', true],
  86: [8, 'getFloat64', true],
};

function typedArray(tag: number): TagDecoder {
  const [bytes, method, little] = TYPED_ARRAYS[tag]!;
  return (content) => {
    const data = content();
    if (!(data instanceof Uint8Array) || data.length % bytes !== 0)
      throw invalidPayload(`CBOR tag ${tag} does not hold whole numbers of ${bytes} bytes`);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const read = view[method] as (at: number, little: boolean) => number | bigint;
    return Float64Array.from({ length: data.length / bytes }, (_, i) =>
      Number(read.call(view, i * bytes, little)),
    );
  };
}

/** Bignums (RFC 8949, 3.4.3); more than 64 bits are no measured value. */
function bignum(negative: boolean): TagDecoder {
  return (content) => {
    const data = content();
    if (!(data instanceof Uint8Array) || data.length > 16) throw invalidPayload('a CBOR bignum is too large');
    const magnitude = data.length === 0 ? 0n : BigInt(`0x${Buffer.from(data).toString('hex')}`);
    return negative ? -1n - magnitude : magnitude;
  };
}

/** Decimal fractions and bigfloats (RFC 8949, 3.4.4): [exponent, mantissa]. */
function fraction(base: number): TagDecoder {
  return (content) => {
    const [exponent, mantissa] = content() as unknown[];
    if (typeof exponent !== 'number' || (typeof mantissa !== 'number' && typeof mantissa !== 'bigint'))
      throw invalidPayload('a CBOR fraction is not [exponent, mantissa]');
    // As text the decimal one is exact: 615e-1 is 61.5, 615 * 0.1 is not.
    return base === 10 ? Number(`${mantissa}e${exponent}`) : Number(mantissa) * base ** exponent;
  };
}

/** Epoch times (tag 1) become what `time.unit: s` reads; date texts (tag 0) what `iso` reads. */
const KNOWN_TAGS: Readonly<Record<number, TagDecoder>> = {
  1: (content) => new Date(Number(content()) * 1000),
  2: bignum(false),
  3: bignum(true),
  4: fraction(10),
  5: fraction(2),
  ...Object.fromEntries(Object.keys(TYPED_ARRAYS).map((tag) => [tag, typedArray(Number(tag))])),
};

/** A tag that says nothing about numbers is taken off: what it marks stays readable. */
const TAGS = new Proxy(KNOWN_TAGS, {
  get: (known, tag) => known[Number(tag)] ?? ((content: () => unknown) => content()),
});

const OPTIONS: DecodeOptions = { tags: TAGS, useMaps: true, allowBigInt: true };

/** Keys of CBOR maps may be integers (as in SenML, RFC 8428): paths name them by their digits. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (typeof value[i] === 'object') value[i] = plain(value[i]);
    return value;
  }
  if (!(value instanceof Map)) return value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, item] of value) object[String(key)] = plain(item);
  return object;
}

/** @throws SmEdgeError `PAYLOAD_INVALID` */
export function parseCbor(payload: Uint8Array): unknown {
  try {
    return plain(decode(payload, OPTIONS));
  } catch (thrown) {
    const message = (thrown as Error).message.replace(/^CBOR decode error:\s*/, '');
    throw invalidPayload(`${payload.length} bytes that are no CBOR: ${message.slice(0, 120)}`);
  }
}

export const cborPayload = {
  kind: 'cbor' as const,
  configSchema,
  channels: (config: CborConfig) => config.values?.map(({ channel }) => channel),
  createDecoder: (config: CborConfig, pointOf: PointOf): PayloadDecoder =>
    documentDecoder(config, pointOf, parseCbor),
} satisfies PayloadKind<CborConfig>;

import { expect, it } from 'vitest';
import { type Random, seededRandom } from '#sm/base/random.js';
import { createDeframer, framingSchema } from '#sm/sources/serial/framing/index.js';
import { collectGarbage } from '../../support/garbage.js';
import { soakCount, soakResult, soakTimeoutMs } from '../../support/soak.js';

// Mutated frames on a line. The short run is a test; `npm run soak -- serial-frames` is the long one. What is sent is
// made here, after the texts of the formats: nothing of the code under test helps to check it.

const COUNT = soakCount(2_000);
const MAX_PAYLOAD = 64;
const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** CRC-32/ISO-HDLC, bit by bit. */
function crc32(bytes: readonly number[]): number[] {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  const value = ~crc >>> 0;
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

/** Consistent overhead byte stuffing (Cheshire and Baker 1999), with the zero bytes around it. */
function cobs(payload: readonly number[]): number[] {
  const out: number[] = [0];
  let run: number[] = [];
  const end = () => {
    out.push(run.length + 1, ...run);
    run = [];
  };
  let full = false;
  for (const byte of payload) {
    full = false;
    if (byte === 0) end();
    else {
      run.push(byte);
      if (run.length === 254) {
        end();
        full = true;
      }
    }
  }
  if (!full) end();
  return [...out, 0];
}

/** RFC 1055. */
const slip = (payload: readonly number[]): number[] => [
  0xc0,
  ...payload.flatMap((byte) => (byte === 0xc0 ? [0xdb, 0xdc] : byte === 0xdb ? [0xdb, 0xdd] : [byte])),
  0xc0,
];

const withCrc = (payload: readonly number[]): number[] => [...payload, ...crc32(payload)];
const CHECK = { name: 'crc32' };

const KINDS: readonly {
  readonly config: object;
  encode(payload: readonly number[]): number[];
}[] = [
  {
    config: { kind: 'sync', sync: 'A55A', length: { type: 'uint16le' }, check: CHECK, maxBytes: '256B' },
    encode: (payload) => [0xa5, 0x5a, ...withCrc([payload.length & 0xff, payload.length >> 8, ...payload])],
  },
  { config: { kind: 'cobs', check: CHECK }, encode: (payload) => cobs(withCrc(payload)) },
  { config: { kind: 'slip', check: CHECK }, encode: (payload) => slip(withCrc(payload)) },
];

/** Flips, drops, doubles, cuts, fills in; the frame itself is left as it was. */
function mutate(random: Random, frame: readonly number[]): number[] {
  const bytes = [...frame];
  const at = below(random, bytes.length);
  switch (below(random, 6)) {
    case 0:
      bytes[at]! ^= 1 << below(random, 8);
      return bytes;
    case 1:
      bytes.splice(at, 1 + below(random, 4));
      return bytes;
    case 2:
      bytes.splice(at, 0, ...bytes.slice(at, at + 1 + below(random, 8)));
      return bytes;
    case 3:
      return bytes.slice(0, at);
    case 4:
      bytes.splice(at, 0, ...Array.from({ length: 1 + below(random, 40) }, () => below(random, 256)));
      return bytes;
    default:
      return Array.from({ length: 1 + below(random, 200) }, () => below(random, 256));
  }
}

it(
  'takes what is whole out of mutated frames, and nothing else',
  async () => {
    const random = seededRandom(20_261_121);
    const lines = KINDS.map(({ config, encode }) => ({
      encode,
      kind: (config as { kind: string }).kind,
      deframer: createDeframer(framingSchema.parse(config)),
      /** Payloads of the last frames that were sent, whole or not. */
      sent: new Map<string, number>(),
      mutated: 0,
      given: 0,
      invented: 0,
      missed: 0,
      wholeRun: 0,
    }));
    await collectGarbage();
    const heapBefore = process.memoryUsage().heapUsed;
    const startMs = performance.now();
    for (let i = 0; i < COUNT; i++) {
      for (const line of lines) {
        const length = 1 + below(random, MAX_PAYLOAD);
        const payload = Array.from({ length }, () => (random() < 0.2 ? 0 : below(random, 256)));
        const frame = line.encode(payload);
        const key = Buffer.from(payload).toString('hex');
        // Two of three are spoiled, in runs, so that whole neighbours come too.
        const whole = random() < (line.wholeRun > 0 ? 0.6 : 0.2);
        line.wholeRun = whole ? line.wholeRun + 1 : 0;
        if (!whole) line.mutated++;
        // Deleted first: a payload that is sent again counts as new. A wrong length field holds frames back for a while.
        line.sent.delete(key);
        line.sent.set(key, i);
        const bytes = Buffer.from(whole ? frame : mutate(random, frame));
        const cut = below(random, bytes.length + 1);
        const out = [
          ...line.deframer.push(bytes.subarray(0, cut)),
          ...line.deframer.push(bytes.subarray(cut)),
        ].map((one) => one.toString('hex'));
        for (const one of out) {
          line.given++;
          if (!line.sent.has(one)) line.invented++;
        }
        // The second whole frame in a row is seen at once, whatever came before the first.
        if (whole && line.wholeRun >= 3 && line.kind !== 'sync' && !out.includes(key)) line.missed++;
        if (line.sent.size > 5_000) line.sent.delete(line.sent.keys().next().value!);
      }
    }
    const results = lines.map(({ kind, mutated, given, invented, missed, deframer }) => ({
      kind,
      mutated,
      given,
      invented,
      missed,
      garbageBytes: deframer.garbageBytes,
      faults: { ...deframer.faults },
    }));
    await collectGarbage();
    const grownMb = (process.memoryUsage().heapUsed - heapBefore) / 2 ** 20;
    soakResult({
      soak: 'serial-frames',
      frames: 3 * COUNT,
      results,
      heapGrownMb: Math.round(grownMb),
      seconds: Math.round((performance.now() - startMs) / 1000),
    });
    for (const { invented, missed, given, mutated, garbageBytes, faults } of results) {
      expect({ invented, missed }).toEqual({ invented: 0, missed: 0 });
      expect(given).toBeGreaterThan((COUNT - mutated) * 0.8);
      // What was spoiled was counted, one way or another.
      expect(garbageBytes + faults.check + faults.length + faults.encoding).toBeGreaterThan(mutated / 4);
    }
    expect(grownMb).toBeLessThan(100);
  },
  soakTimeoutMs(240_000),
);

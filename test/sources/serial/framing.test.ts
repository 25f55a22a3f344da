import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CRC_NAMES, crc } from '#sm/base/crc.js';
import { encodeWav } from '#sm/signals/wav.js';
import { encodeVibrationFrame } from '#sm/simulator/serial/frame.js';
import { createDeframer, framingSchema } from '#sm/sources/serial/framing/index.js';

const deframer = (config: object) => createDeframer(framingSchema.parse(config));

/** Cuts bytes at arbitrary places, as a line does. */
function* pieces(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (const cut of cuts) {
    const end = Math.min(bytes.length, at + cut);
    yield bytes.subarray(at, end);
    at = end;
  }
  yield bytes.subarray(at);
}

const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }).map(Buffer.from), { maxLength: 20 });
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 60 });
const hex = (buffers: readonly Buffer[]): string[] => buffers.map((one) => one.toString('hex'));

/** The reference encoder of Cheshire and Baker, figure 3, written anew. */
function encodeCobs(payload: Buffer): Buffer {
  const out: number[] = [];
  let block: number[] = [];
  for (const byte of payload) {
    if (byte === 0) {
      out.push(block.length + 1, ...block);
      block = [];
    } else {
      block.push(byte);
      if (block.length === 254) {
        out.push(255, ...block);
        block = [];
      }
    }
  }
  out.push(block.length + 1, ...block, 0);
  return Buffer.from(out);
}

const encodeSlip = (payload: Buffer): Buffer =>
  Buffer.from([
    0xc0,
    ...[...payload].flatMap((byte) => (byte === 0xc0 ? [0xdb, 0xdc] : byte === 0xdb ? [0xdb, 0xdd] : [byte])),
    0xc0,
  ]);

const withCrc32 = (payload: Buffer): Buffer => {
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc('crc32', payload));
  return Buffer.concat([payload, check]);
};

const CHECK = { name: 'crc32', order: 'big' };

const KINDS = [
  {
    name: 'sync word, length and check value',
    config: { kind: 'sync', sync: 'A55A', length: { type: 'uint16be' }, check: CHECK },
    encode(payload: Buffer) {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(payload.length);
      return Buffer.concat([Buffer.from([0xa5, 0x5a]), withCrc32(Buffer.concat([length, payload]))]);
    },
  },
  {
    name: 'COBS with check value',
    config: { kind: 'cobs', check: CHECK },
    encode: (p: Buffer) => encodeCobs(withCrc32(p)),
  },
  {
    name: 'SLIP with check value',
    config: { kind: 'slip', check: CHECK },
    encode: (p: Buffer) => encodeSlip(withCrc32(p)),
  },
];

describe('check values', () => {
  it.each([
    ['crc16-modbus', 0x4b37],
    ['crc16-arc', 0xbb3d],
    ['crc16-ccitt-false', 0x29b1],
    ['crc16-xmodem', 0x31c3],
    ['crc16-kermit', 0x2189],
    ['crc16-x25', 0x906e],
    ['crc32', 0xcbf43926],
    ['crc32c', 0xe3069283],
    ['crc32-mpeg2', 0x0376e6e7],
  ] as const)('%s of "123456789" as the RevEng catalogue has it', (name, value) => {
    expect(crc(name, Buffer.from('123456789'))).toBe(value);
    expect(CRC_NAMES).toContain(name);
  });
});

describe.each(KINDS)('$name', ({ config, encode }) => {
  it('gives every frame, however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, cuts, (payloads, at) => {
        const one = deframer(config);
        const bytes = Buffer.concat([encode(Buffer.of(1)), ...payloads.map(encode)]);
        const got = [...pieces(bytes, at)].flatMap((chunk) => one.push(chunk));
        // Delimited frames: the first, whose start nobody saw, may be dropped.
        expect(hex(got.slice(got.length - payloads.length))).toEqual(hex(payloads));
        expect(one.faults).toEqual({ check: 0, length: 0, encoding: 0 });
      }),
    );
  });

  it('finds the frames behind garbage, and never makes one of it', () => {
    const garbage = fc.uint8Array({ maxLength: 60 }).map(Buffer.from);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(garbage, fc.uint8Array({ minLength: 4, maxLength: 40 }))),
        cuts,
        (rows, at) => {
          const one = deframer(config);
          const sent = rows.map(([, payload]) => Buffer.from(payload));
          const bytes = Buffer.concat(rows.flatMap(([noise], i) => [noise, encode(sent[i]!)]));
          const known = new Set(hex(sent));
          for (const chunk of pieces(bytes, at)) {
            for (const frame of one.push(chunk)) expect(known).toContain(frame.toString('hex'));
          }
          // However it was left: at most one frame and a false length later it is in step again.
          const flush = Buffer.alloc(70_000, 0);
          flush.set(encode(Buffer.of(9)), 69_000);
          one.push(flush);
          one.push(encode(Buffer.of(7)));
          expect(hex(one.push(encode(Buffer.from('again'))))).toEqual(hex([Buffer.from('again')]));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('counts frames with a wrong check value and drops them', () => {
    const one = deframer(config);
    one.push(encode(Buffer.from('first')));
    const broken = encode(Buffer.from('value'));
    broken[broken.length - 8]! ^= 0x01;
    expect(one.push(broken)).toEqual([]);
    expect(one.faults.check).toBeGreaterThan(0);
    expect(hex(one.push(encode(Buffer.from('next'))))).toEqual(hex([Buffer.from('next')]));
  });
});

describe('lines of text', () => {
  it('drops the first line, whose start nobody saw, and the carriage return', () => {
    const one = deframer({ kind: 'line' });
    const got = one.push(Buffer.from('3.4\r\n20.1\r\n\r\n20.2\n20.')).map(String);
    expect(got).toEqual(['20.1', '20.2']);
    expect(one.push(Buffer.from('3\n')).map(String)).toEqual(['20.3']);
  });

  it('takes delimiters of several characters, cut anywhere', () => {
    fc.assert(
      fc.property(cuts, (at) => {
        const one = deframer({ kind: 'line', delimiter: '<>;' });
        const got = [...pieces(Buffer.from('x<>;a<>;b<;<>;c<>;'), at)].flatMap((chunk) => one.push(chunk));
        expect(got.map(String)).toEqual(['a', 'b<;', 'c']);
      }),
    );
  });

  it('keeps no more than its longest line', () => {
    const one = deframer({ kind: 'line', maxBytes: '16B' });
    one.push(Buffer.from('x\n'));
    for (let i = 0; i < 100; i++) expect(one.push(Buffer.alloc(1000, 0x61))).toEqual([]);
    expect(one.faults.length).toBe(1);
    expect(one.garbageBytes).toBe(100_001);
    expect(one.push(Buffer.from('\nok\n')).map(String)).toEqual(['ok']);
  });
});

describe('sync word', () => {
  it('of a fixed length, with bytes before the length, with a check from the payload on', () => {
    const fixed = deframer({ kind: 'sync', sync: 'FF00', bytes: 3 });
    expect(hex(fixed.push(Buffer.from('00ff00010203ff00040506', 'hex')))).toEqual(['010203', '040506']);
    const typed = deframer({ kind: 'sync', sync: '02', length: { type: 'uint8', offset: 1, adjust: -1 } });
    expect(hex(typed.push(Buffer.from('020703aabb', 'hex')))).toEqual(['07aabb']);
  });

  it('is found in its own data without losing the frame', () => {
    const one = deframer({
      kind: 'sync',
      sync: 'A55A',
      length: { type: 'uint16le' },
      check: { name: 'crc16-ccitt-false' },
    });
    // 0x5aa5 little-endian is A5 5A: every sample looks like a start.
    const samples = new Int16Array(100).fill(0x5aa5);
    const sent = [1, 2, 3].map((counter) => Buffer.from(encodeVibrationFrame({ counter, samples })));
    // It starts in the middle of a frame.
    const got = one.push(Buffer.concat([sent[0]!.subarray(37), sent[1]!, sent[2]!]));
    const rest = one.push(Buffer.alloc(70_000));
    expect(hex([...got, ...rest])).toEqual(
      [2, 3].map((n) => sent[n - 1]!.subarray(4, sent[n - 1]!.length - 2).toString('hex')),
    );
  });
});

describe('raw samples and recordings on a line', () => {
  it('cuts a stream into frames of the same length', () => {
    const deframer = createDeframer({ kind: 'fixed', bytes: 4 });
    const frames = [[1, 2, 3], [4, 5, 6, 7, 8, 9], [10]].flatMap((bytes) =>
      deframer.push(Buffer.from(bytes)),
    );
    expect(frames.map((frame) => [...frame])).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
  });

  it('finds WAV files between anything else, in pieces of any size', () => {
    const file = (seed: number) =>
      encodeWav(
        {
          sampleRateHz: 8000,
          channels: 1,
          samples: Float32Array.from({ length: 50 }, (_, i) => Math.sin(i + seed)),
        },
        'pcm16',
      );
    const stream = Buffer.concat([
      Buffer.from('noise RIFFnone'),
      file(1),
      file(2),
      Buffer.from('RIF'),
      file(3),
    ]);
    for (const size of [1, 7, 64, stream.length]) {
      const deframer = createDeframer({ kind: 'wav', maxBytes: 4096 });
      const files: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size)
        files.push(...deframer.push(stream.subarray(at, at + size)));
      expect(files).toEqual([file(1), file(2), file(3)]);
      expect(deframer.garbageBytes).toBe(17);
    }
  });
});

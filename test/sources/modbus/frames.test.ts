import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '#sm/base/random.js';
import { MbapFraming, RtuFraming } from '#sm/sources/modbus/framing.js';
import {
  answerBytes,
  encodePdu,
  functionCode,
  isBitTable,
  parseAnswer,
  REGISTER_TABLES,
  type ReadRequest,
  type Request,
} from '#sm/sources/modbus/protocol.js';
import { decodeText } from '#sm/sources/modbus/text.js';
import { BYTE_ORDERS, decodeValue, naturalOrder, VALUE_TYPES } from '#sm/sources/modbus/values.js';
import { collectGarbage } from '../../support/garbage.js';

// Mutated frames through the decoders. The short run is a test; `npm run soak -- modbus-frames --count 1000000` is
// the long one. What is checked does not use the code under test: the CRC is computed bit by bit.

const COUNT = Number(process.env.SM_EDGE_SOAK_COUNT ?? 20_000);

/** CRC of clause 6.2.2 of Modbus over Serial Line, as the text describes it. */
function crcBitwise(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

function anyRequest(random: Random): Request {
  const unitId = 1 + below(random, 247);
  const address = below(random, 60_000);
  const kind = below(random, 8);
  if (kind === 0) return { unitId, fifo: address };
  if (kind === 1) return { unitId, write: 'holding', address, values: [below(random, 65_536)] };
  if (kind === 2) return { unitId, write: 'holding', address, values: [1, 2, 3] };
  const table = REGISTER_TABLES[below(random, 4)]!;
  return { unitId, table, address, quantity: 1 + below(random, isBitTable(table) ? 2000 : 125) };
}

/** What a device answers: data, or an exception now and then. */
function answerTo(request: Request, random: Random): Buffer {
  if (random() < 0.1) return Buffer.from([functionCode(request) | 0x80, 1 + below(random, 11)]);
  if ('write' in request) return encodePdu(request).subarray(0, 5);
  const bytes = 'fifo' in request ? 2 * below(random, 32) : answerBytes(request as ReadRequest);
  const head = 'fifo' in request ? [24, 0, bytes + 2, 0, bytes / 2] : [functionCode(request), bytes & 0xff];
  const data = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) data[i] = below(random, 256);
  return Buffer.concat([Buffer.from(head), data]);
}

function rtuFrame(unitId: number, pdu: Buffer): Buffer {
  const frame = Buffer.concat([Buffer.from([unitId]), pdu, Buffer.alloc(2)]);
  frame.writeUInt16LE(crcBitwise(frame.subarray(0, -2)), frame.length - 2);
  return frame;
}

function mbapFrame(unitId: number, pdu: Buffer, transactionId: number): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt16BE(transactionId, 0);
  head.writeUInt16BE(pdu.length + 1, 4);
  head[6] = unitId;
  return Buffer.concat([head, pdu]);
}

/** One of: untouched, a flipped bit, cut short, bytes put in, a piece doubled, noise in front. */
function mutate(frame: Buffer, random: Random): Buffer {
  const at = below(random, frame.length);
  const noise = () => Buffer.from(Array.from({ length: 1 + below(random, 12) }, () => below(random, 256)));
  switch (below(random, 6)) {
    case 0:
      return frame;
    case 1: {
      const flipped = Buffer.from(frame);
      flipped[at]! ^= 1 << below(random, 8);
      return flipped;
    }
    case 2:
      return frame.subarray(0, at);
    case 3:
      return Buffer.concat([frame.subarray(0, at), noise(), frame.subarray(at)]);
    case 4:
      return Buffer.concat([frame, frame.subarray(at)]);
    default:
      return Buffer.concat([noise(), frame]);
  }
}

/** The bytes in chunks as a network or a serial driver would give them. */
function* chunksOf(bytes: Buffer, random: Random): Generator<Buffer> {
  for (let from = 0; from < bytes.length; ) {
    const size = random() < 0.5 ? bytes.length : 1 + below(random, 16);
    yield bytes.subarray(from, from + size);
    from += size;
  }
}

interface Tally {
  frames: number;
  accepted: number;
  exceptions: number;
  mismatches: number;
  refusedStreams: number;
  garbageBytes: number;
}

const tally = (): Tally => ({
  frames: 0,
  accepted: 0,
  exceptions: 0,
  mismatches: 0,
  refusedStreams: 0,
  garbageBytes: 0,
});

/** Reads an accepted answer in every way there is: a decoder throws on nothing. */
function decodeAll(data: Buffer): void {
  for (const type of VALUE_TYPES) {
    for (const order of BYTE_ORDERS) {
      if (order.length !== naturalOrder(type).length || order.length > data.length) continue;
      const value = decodeValue(data, 0, { type, order, bit: 3 });
      if (typeof value !== 'number') throw new Error(`${type} ${order} gave ${value}`);
    }
  }
  if (data.length % 2 === 0) decodeText(data, 0, data.length / 2, true);
}

function judge(pdu: Buffer, request: Request, counts: Tally): void {
  counts.frames++;
  const answer = parseAnswer(pdu, request);
  if (answer.kind === 'mismatch') counts.mismatches++;
  else if (answer.kind === 'exception') counts.exceptions++;
  else {
    counts.accepted++;
    if ('table' in request && answer.data.length !== answerBytes(request))
      throw new Error('an answer of another length was accepted');
    if (counts.accepted % 64 === 0) decodeAll(answer.data);
  }
}

function fuzzRtu(count: number, seed: number): Tally {
  const random = seededRandom(seed);
  const counts = tally();
  let request = anyRequest(random);
  const framing = new RtuFraming((unitId) => unitId === request.unitId);
  let bytesIn = 0;
  let bytesInFrames = 0;
  let recent = Buffer.alloc(0);
  for (let i = 0; i < count; i++) {
    request = anyRequest(random);
    const sent = mutate(rtuFrame(request.unitId, answerTo(request, random)), random);
    for (const chunk of chunksOf(sent, random)) {
      bytesIn += chunk.length;
      recent = Buffer.concat([recent, chunk]).subarray(-2048);
      for (const { unitId, pdu } of framing.push(chunk)) {
        bytesInFrames += pdu.length + 3;
        // What comes out, with the right CRC behind it, stands so in what went in.
        if (!recent.includes(rtuFrame(unitId, pdu))) throw new Error('a frame that nobody sent came out');
        judge(pdu, request, counts);
      }
      const kept = bytesIn - bytesInFrames - framing.garbageBytes;
      if (kept < 0 || kept > 512) throw new Error(`${kept} bytes are kept, or lost, after ${i} frames`);
    }
    if (random() < 0.3) framing.clear();
  }
  counts.garbageBytes = framing.garbageBytes;
  return counts;
}

function fuzzMbap(count: number, seed: number): Tally {
  const random = seededRandom(seed);
  const counts = tally();
  let framing = new MbapFraming();
  for (let i = 0; i < count; i++) {
    const request = anyRequest(random);
    const sent = mutate(mbapFrame(request.unitId, answerTo(request, random), i & 0xffff), random);
    try {
      for (const chunk of chunksOf(sent, random)) {
        for (const { pdu } of framing.push(chunk)) {
          if (pdu.length > 253) throw new TypeError('a PDU longer than the specification allows');
          judge(pdu, request, counts);
        }
      }
    } catch (error) {
      if (!/^not Modbus TCP/.test((error as Error).message)) throw error;
      // The connection is given up, and the next one starts with the next frame.
      counts.refusedStreams++;
      framing = new MbapFraming();
    }
  }
  return counts;
}

describe(`${COUNT} mutated frames`, () => {
  it('end with counters: no crash, no wrong frame, no memory', async () => {
    const startMs = performance.now();
    const half = Math.ceil(COUNT / 2);
    await collectGarbage();
    const before = process.memoryUsage();
    const rtu = fuzzRtu(half, 11);
    const mbap = fuzzMbap(half, 12);
    await collectGarbage();
    const after = process.memoryUsage();
    const grownMiB = Math.round(
      (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 2 ** 20,
    );
    for (const counts of [rtu, mbap]) {
      // One in six is untouched, others come through all the same (noise in front, a doubled end).
      expect(counts.accepted).toBeGreaterThan(half / 8);
      expect(counts.exceptions).toBeGreaterThan(half / 100);
    }
    expect(rtu.garbageBytes).toBeGreaterThan(half);
    expect(mbap.refusedStreams).toBeGreaterThan(half / 20);
    expect(grownMiB).toBeLessThan(200);
    const result = {
      frames: 2 * half,
      rtu,
      mbap,
      grownMiB,
      seconds: Math.round((performance.now() - startMs) / 1000),
    };
    const file = process.env.SM_EDGE_SOAK_RESULT;
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(result)}\n`);
  }, 1_800_000);
});

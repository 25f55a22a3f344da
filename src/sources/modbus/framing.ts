import { crc } from '../../base/crc.js';
import { MAX_FIFO } from './protocol.js';

/** One frame from the line: a whole answer of one unit. */
export interface Frame {
  readonly unitId: number;
  readonly pdu: Buffer;
  /** Of the request that it answers; undefined in RTU, which has none. */
  readonly transactionId?: number;
}

/** Turns requests into bytes, and bytes into frames. */
export interface Framing {
  encode(unitId: number, pdu: Buffer, transactionId: number): Buffer;
  /** Takes what came in; gives the frames that are whole now. Throws where the stream can no longer be understood. */
  push(chunk: Buffer): Frame[];
  /** Drops what has not become a frame. */
  clear(): void;
  /** Bytes dropped since the start since they belong to no frame. */
  readonly garbageBytes: number;
}

const MBAP_BYTES = 7;
/** Largest PDU is 253 bytes (Modbus Application Protocol, clause 4.1), plus the unit id. */
const MAX_MBAP_LENGTH = 254;

/** Modbus TCP (Modbus Messaging on TCP/IP V1.0b, clause 3.1.3): a header with transaction id and length. */
export class MbapFraming implements Framing {
  readonly garbageBytes = 0;
  #pending: Buffer = Buffer.alloc(0);

  encode(unitId: number, pdu: Buffer, transactionId: number): Buffer {
    const frame = Buffer.alloc(MBAP_BYTES + pdu.length);
    frame.writeUInt16BE(transactionId, 0);
    frame.writeUInt16BE(pdu.length + 1, 4);
    frame.writeUInt8(unitId, 6);
    pdu.copy(frame, MBAP_BYTES);
    return frame;
  }

  push(chunk: Buffer): Frame[] {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    while (rest.length >= MBAP_BYTES) {
      const length = rest.readUInt16BE(4);
      if (rest.readUInt16BE(2) !== 0 || length < 2 || length > MAX_MBAP_LENGTH) {
        throw new Error(`not Modbus TCP: header ${rest.toString('hex', 0, MBAP_BYTES)}`);
      }
      const end = 6 + length;
      if (rest.length < end) break;
      frames.push({
        unitId: rest[6]!,
        pdu: rest.subarray(MBAP_BYTES, end),
        transactionId: rest.readUInt16BE(0),
      });
      rest = rest.subarray(end);
    }
    this.#pending = rest;
    return frames;
  }

  clear(): void {
    // The length of a frame is known: what is pending is the start of one, and the rest of it will come.
  }
}

const MAX_RTU_BYTES = 256;

/** Bytes of the RTU frame that starts at `at`; undefined while too little is there, 0 where it can be none. */
function rtuLength(bytes: Buffer, at: number): number | undefined {
  const code = bytes[at + 1];
  if (code === undefined) return undefined;
  if (code & 0x80) return 5;
  if (code === 5 || code === 6 || code === 15 || code === 16) return 8;
  if (code === 24) {
    if (at + 4 > bytes.length) return undefined;
    const fifoBytes = bytes.readUInt16BE(at + 2);
    return fifoBytes < 2 || fifoBytes > 2 + 2 * MAX_FIFO ? 0 : fifoBytes + 6;
  }
  if (code < 1 || code > 4) return 0;
  const count = bytes[at + 2];
  return count === undefined ? undefined : count + 5;
}

/** What a frame is expected to start with. */
export type Expected = (unitId: number, code: number, byteCount: number) => boolean;

/**
 * Modbus RTU (Modbus over Serial Line V1.02, clause 2.5.1): unit id, PDU, CRC-16. The gaps that separate frames do
 * not survive an operating system or a network, so the length comes from the function code and the CRC decides.
 */
export class RtuFraming implements Framing {
  garbageBytes = 0;
  readonly #expected: Expected;
  #pending: Buffer = Buffer.alloc(0);

  /** `expected`: may an answer start so now? Only such a frame is looked for behind garbage. */
  constructor(expected: Expected) {
    this.#expected = expected;
  }

  encode(unitId: number, pdu: Buffer): Buffer {
    const frame = Buffer.alloc(pdu.length + 3);
    frame.writeUInt8(unitId, 0);
    pdu.copy(frame, 1);
    frame.writeUInt16LE(crc('crc16-modbus', frame, 0, pdu.length + 1), pdu.length + 1);
    return frame;
  }

  push(chunk: Buffer): Frame[] {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    for (;;) {
      const found = this.#find(rest);
      if (found === undefined) break;
      this.garbageBytes += found.at;
      frames.push({
        unitId: rest[found.at]!,
        pdu: rest.subarray(found.at + 1, found.at + found.length - 2),
      });
      rest = rest.subarray(found.at + found.length);
    }
    if (rest.length > 2 * MAX_RTU_BYTES) {
      this.garbageBytes += rest.length - MAX_RTU_BYTES;
      rest = rest.subarray(rest.length - MAX_RTU_BYTES);
    }
    this.#pending = rest;
    return frames;
  }

  clear(): void {
    this.garbageBytes += this.#pending.length;
    this.#pending = Buffer.alloc(0);
  }

  /** The first frame with a right CRC: of any kind at the start, only an expected one behind other bytes. */
  #find(bytes: Buffer): { at: number; length: number } | undefined {
    for (let at = 0; at + 5 <= bytes.length; at++) {
      const length = rtuLength(bytes, at);
      if (length === undefined || length === 0 || at + length > bytes.length) continue;
      if (at > 0 && !this.#expected(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!)) continue;
      const end = at + length - 2;
      if (bytes.readUInt16LE(end) === crc('crc16-modbus', bytes, at, end)) return { at, length };
    }
    return undefined;
  }
}

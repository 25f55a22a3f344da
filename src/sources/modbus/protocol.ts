/** The Modbus Application Protocol V1.1b3, as far as it is used here: requests, answers, exceptions. No I/O. */

export const REGISTER_TABLES = ['holding', 'input', 'coil', 'discrete'] as const;
export type RegisterTable = (typeof REGISTER_TABLES)[number];

/** Function code 3, 4, 1 or 2 (clauses 6.1 to 6.4). */
const READ_FUNCTION: Readonly<Record<RegisterTable, number>> = {
  coil: 1,
  discrete: 2,
  holding: 3,
  input: 4,
};

export const isBitTable = (table: RegisterTable): boolean => table === 'coil' || table === 'discrete';

/** Most that one request may ask for (clauses 6.1 to 6.4). */
export const MAX_REGISTERS = 125;
export const MAX_BITS = 2000;

export interface ReadRequest {
  readonly unitId: number;
  readonly table: RegisterTable;
  /** Address in the protocol, 0 to 65,535; what manuals call 40001 is holding register 0. */
  readonly address: number;
  /** Registers, or bits. */
  readonly quantity: number;
}

export interface WriteRequest {
  readonly unitId: number;
  readonly write: 'holding' | 'coil';
  readonly address: number;
  /** Registers 0 to 65,535, or bits 0 and 1. */
  readonly values: readonly number[];
  /** Function 15 or 16 for a single value too: some devices know no other. Several values always take it. */
  readonly multiple?: boolean;
}

/** Reads what a queue of registers holds (function 24, clause 6.18). Some devices drop what was read, others do not. */
export interface FifoRequest {
  readonly unitId: number;
  /** Address of the FIFO pointer. */
  readonly fifo: number;
}

export type Request = ReadRequest | WriteRequest | FifoRequest;

/** Where a request begins. */
export const addressOf = (request: Request): number => ('fifo' in request ? request.fifo : request.address);

export const isRead = (request: Request): request is ReadRequest => 'table' in request;

/** Most registers and bits of one write (clauses 6.11 and 6.12), and of a FIFO queue (clause 6.18). */
export const MAX_WRITE_REGISTERS = 123;
export const MAX_WRITE_BITS = 1968;
export const MAX_FIFO = 31;

const takesMany = ({ multiple, values }: WriteRequest): boolean => multiple === true || values.length > 1;

/** Function code of a request (clause 6). */
export function functionCode(request: Request): number {
  if ('fifo' in request) return 24;
  if (!('write' in request)) return READ_FUNCTION[request.table];
  if (request.write === 'coil') return takesMany(request) ? 15 : 5;
  return takesMany(request) ? 16 : 6;
}

/** The request without its framing: function code and data. */
export function encodePdu(request: Request): Buffer {
  if ('write' in request && takesMany(request)) return encodeMany(request);
  const pdu = Buffer.alloc('fifo' in request ? 3 : 5);
  pdu.writeUInt8(functionCode(request), 0);
  pdu.writeUInt16BE('fifo' in request ? request.fifo : request.address, 1);
  if ('table' in request) pdu.writeUInt16BE(request.quantity, 3);
  else if ('write' in request) {
    const value = request.values[0]!;
    pdu.writeUInt16BE(request.write === 'holding' ? value : value === 0 ? 0 : 0xff00, 3);
  }
  return pdu;
}

/** Functions 15 and 16: address, quantity, byte count, values. */
function encodeMany(request: WriteRequest): Buffer {
  const { write, address, values } = request;
  const bytes = write === 'coil' ? Math.ceil(values.length / 8) : 2 * values.length;
  const pdu = Buffer.alloc(6 + bytes);
  pdu.writeUInt8(functionCode(request), 0);
  pdu.writeUInt16BE(address, 1);
  pdu.writeUInt16BE(values.length, 3);
  pdu.writeUInt8(bytes, 5);
  for (const [i, value] of values.entries()) {
    if (write === 'holding') pdu.writeUInt16BE(value, 6 + 2 * i);
    else if (value !== 0) pdu[6 + (i >> 3)]! |= 1 << (i & 7);
  }
  return pdu;
}

/** Data bytes of the answer to a read. */
export const answerBytes = (request: ReadRequest): number =>
  isBitTable(request.table) ? Math.ceil(request.quantity / 8) : request.quantity * 2;

export type Answer =
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'exception'; readonly code: number }
  /** Not the answer to this request: another function, or another number of bytes. */
  | { readonly kind: 'mismatch' };

const MISMATCH: Answer = { kind: 'mismatch' };

/** Judges a PDU as the answer to a request. The unit id belongs to the framing and is checked there. */
export function parseAnswer(pdu: Buffer, request: Request): Answer {
  const code = functionCode(request);
  if (pdu.length === 2 && pdu[0] === (code | 0x80)) return { kind: 'exception', code: pdu[1]! };
  if (pdu[0] !== code) return MISMATCH;
  if ('write' in request) {
    // A single write comes back whole; of functions 15 and 16 address and quantity do.
    return pdu.equals(encodePdu(request).subarray(0, 5)) ? { kind: 'data', data: pdu.subarray(3) } : MISMATCH;
  }
  if ('fifo' in request) return parseFifo(pdu);
  const bytes = answerBytes(request);
  if (pdu[1] !== bytes || pdu.length !== bytes + 2) return MISMATCH;
  return { kind: 'data', data: pdu.subarray(2) };
}

/** Byte count and FIFO count, two bytes each, then the registers. */
function parseFifo(pdu: Buffer): Answer {
  if (pdu.length < 5) return MISMATCH;
  const bytes = pdu.readUInt16BE(1);
  const count = pdu.readUInt16BE(3);
  if (count > MAX_FIFO || bytes !== 2 + 2 * count || pdu.length !== 3 + bytes) return MISMATCH;
  return { kind: 'data', data: pdu.subarray(5) };
}

/** Exception codes (clause 7) in words, with what a technician can do. */
const EXCEPTIONS: Readonly<Record<number, readonly [text: string, hint: string]>> = {
  1: ['illegal function', 'the device does not have this kind of register: check `register`'],
  2: [
    'illegal data address',
    'no such register in the device: check `address` (40001 in a manual is address 0)',
  ],
  3: ['illegal data value', 'the device refuses this length of request: lower `maxRegisters`'],
  4: ['server device failure', 'the device reports a fault of its own'],
  5: ['acknowledge', 'the device has taken the request and needs more time'],
  6: ['server device busy', 'the device is busy: poll it less often'],
  8: ['memory parity error', 'the device reports a fault of its memory'],
  10: [
    'gateway path unavailable',
    'the Modbus gateway has no line for this unit id, or is overloaded: check its table of units',
  ],
  11: ['gateway target device failed to respond', 'the unit behind the Modbus gateway does not answer'],
};

export function exceptionText(code: number): { text: string; hint: string } {
  const [text, hint] = EXCEPTIONS[code] ?? ['unknown exception', 'see the manual of the device'];
  return { text: `exception ${code} (${text})`, hint };
}

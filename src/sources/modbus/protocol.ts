/** Reading in the Modbus Application Protocol V1.1b3: requests, answers, exceptions. No I/O. */

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
  readonly value: number;
}

export type Request = ReadRequest | WriteRequest;

export const functionCode = (request: Request): number =>
  'write' in request ? (request.write === 'coil' ? 5 : 6) : READ_FUNCTION[request.table];

/** The request without its framing: function code and data. */
export function encodePdu(request: Request): Buffer {
  const pdu = Buffer.alloc(5);
  pdu.writeUInt8(functionCode(request), 0);
  pdu.writeUInt16BE(request.address, 1);
  if (!('write' in request)) pdu.writeUInt16BE(request.quantity, 3);
  else if (request.write === 'coil') pdu.writeUInt16BE(request.value === 0 ? 0 : 0xff00, 3);
  else pdu.writeUInt16BE(request.value, 3);
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
    return pdu.equals(encodePdu(request)) ? { kind: 'data', data: pdu.subarray(3) } : MISMATCH;
  }
  const bytes = answerBytes(request);
  if (pdu[1] !== bytes || pdu.length !== bytes + 2) return MISMATCH;
  return { kind: 'data', data: pdu.subarray(2) };
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
  5: ['acknowledge', 'the device needs more time'],
  6: ['server device busy', 'the device is busy: poll it less often'],
  8: ['memory parity error', 'the device reports a fault of its memory'],
  10: ['gateway path unavailable', 'the Modbus gateway has no line for this unit id'],
  11: ['gateway target device failed to respond', 'the unit behind the Modbus gateway does not answer'],
};

export function exceptionText(code: number): { text: string; hint: string } {
  const [text, hint] = EXCEPTIONS[code] ?? ['unknown exception', 'see the manual of the device'];
  return { text: `exception ${code} (${text})`, hint };
}

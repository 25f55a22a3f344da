/**
 * Cyclic redundancy checks by the names of the RevEng catalogue, and the parameters that it gives them
 * (width, polynomial, initial value, input and output reflected, final XOR).
 */
interface CrcModel {
  readonly width: 16 | 32;
  readonly polynomial: number;
  readonly initial: number;
  readonly reflected: boolean;
  readonly finalXor: number;
}

const MODELS = {
  'crc16-modbus': { width: 16, polynomial: 0x8005, initial: 0xffff, reflected: true, finalXor: 0 },
  'crc16-arc': { width: 16, polynomial: 0x8005, initial: 0, reflected: true, finalXor: 0 },
  'crc16-ccitt-false': { width: 16, polynomial: 0x1021, initial: 0xffff, reflected: false, finalXor: 0 },
  'crc16-xmodem': { width: 16, polynomial: 0x1021, initial: 0, reflected: false, finalXor: 0 },
  'crc16-kermit': { width: 16, polynomial: 0x1021, initial: 0, reflected: true, finalXor: 0 },
  'crc16-x25': { width: 16, polynomial: 0x1021, initial: 0xffff, reflected: true, finalXor: 0xffff },
  crc32: {
    width: 32,
    polynomial: 0x04c11db7,
    initial: 0xffffffff,
    reflected: true,
    finalXor: 0xffffffff,
  },
  crc32c: {
    width: 32,
    polynomial: 0x1edc6f41,
    initial: 0xffffffff,
    reflected: true,
    finalXor: 0xffffffff,
  },
  'crc32-mpeg2': {
    width: 32,
    polynomial: 0x04c11db7,
    initial: 0xffffffff,
    reflected: false,
    finalXor: 0,
  },
} as const satisfies Record<string, CrcModel>;

export type CrcName = keyof typeof MODELS;

export const CRC_NAMES = Object.keys(MODELS) as [CrcName, ...CrcName[]];

/** Bytes that the check value takes: 2 or 4. */
export const crcBytes = (name: CrcName): 2 | 4 => (MODELS[name].width / 8) as 2 | 4;

const tables = new Map<CrcName, Uint32Array>();

function reflect(value: number, width: number): number {
  let out = 0;
  for (let bit = 0; bit < width; bit++) if (value & (1 << bit)) out |= 1 << (width - 1 - bit);
  return out >>> 0;
}

/** What each byte adds, precomputed once for a model (Sarwate's algorithm). */
function tableOf(name: CrcName): Uint32Array {
  const known = tables.get(name);
  if (known !== undefined) return known;
  const { width, polynomial, reflected } = MODELS[name] as CrcModel;
  const table = new Uint32Array(256);
  const mask = width === 32 ? 0xffffffff : 0xffff;
  const mirrored = reflect(polynomial, width);
  const top = 2 ** (width - 1);
  for (let byte = 0; byte < 256; byte++) {
    let value = reflected ? byte : byte * 2 ** (width - 8);
    for (let bit = 0; bit < 8; bit++) {
      if (reflected) value = value & 1 ? (value >>> 1) ^ mirrored : value >>> 1;
      else value = value >= top ? (value << 1) ^ polynomial : value << 1;
      value = (value & mask) >>> 0;
    }
    table[byte] = value;
  }
  tables.set(name, table);
  return table;
}

/** The check value of `bytes[start, end)`, as an unsigned number. */
export function crc(name: CrcName, bytes: Uint8Array, start = 0, end = bytes.length): number {
  const { width, initial, reflected, finalXor } = MODELS[name] as CrcModel;
  const table = tableOf(name);
  const mask = width === 32 ? 0xffffffff : 0xffff;
  let value = initial;
  for (let i = start; i < end; i++) {
    value = reflected
      ? (value >>> 8) ^ table[(value ^ bytes[i]!) & 0xff]!
      : ((value << 8) & mask) ^ table[((value >>> (width - 8)) ^ bytes[i]!) & 0xff]!;
  }
  return ((value ^ finalXor) & mask) >>> 0;
}

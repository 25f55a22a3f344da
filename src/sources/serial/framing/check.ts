import { z } from 'zod';
import { CRC_NAMES, type CrcName, crc, crcBytes } from '../../../base/crc.js';

/** The check value at the end of a frame, as configs declare it. */
export const checkSchema = z
  .strictObject({
    name: z.enum(CRC_NAMES).describe('Which cyclic redundancy check, by its name in the RevEng catalogue'),
    order: z.enum(['little', 'big']).default('little').describe('Byte order of the check value'),
  })
  .describe('Check value at the end of each frame: a frame that fails it is dropped and counted');

export type Check = z.infer<typeof checkSchema>;

export const checkBytes = (check: Check | undefined): number =>
  check === undefined ? 0 : crcBytes(check.name as CrcName);

/** Does the check value that stands at `end` belong to `bytes[start, end)`? */
export function passes(check: Check, bytes: Buffer, start: number, end: number): boolean {
  const length = checkBytes(check);
  const sent = check.order === 'little' ? bytes.readUIntLE(end, length) : bytes.readUIntBE(end, length);
  return sent === crc(check.name, bytes, start, end);
}

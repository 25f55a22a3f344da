import { SmEdgeError } from '../../base/errors.js';

/** A payload that will never decode. `message` says what was found, without the payload itself. */
export const invalidPayload = (message: string, hint?: string): SmEdgeError =>
  new SmEdgeError('PAYLOAD_INVALID', message, hint === undefined ? {} : { hint });

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/**
 * A text as a number: decimal notation, surrounding blanks allowed, and what devices write for "none" (`nan`,
 * `null`, `inf`, nothing) as NaN. Undefined for everything else: "12abc" is no number.
 */
export function parseNumberText(text: string): number | undefined {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) return Number(trimmed);
  return /^([+-]?(nan|inf|infinity)|null|none|)$/i.test(trimmed) ? Number.NaN : undefined;
}

/** For a message: the start of a text, printable, in quotes. */
export function excerpt(text: string, characters = 40): string {
  const start = text.slice(0, characters).replace(/[^\x20-\x7e]/g, '?');
  return JSON.stringify(text.length > characters ? `${start}…` : start);
}

/** The same bytes as a Buffer, without a copy. */
export const asBuffer = (payload: Uint8Array): Buffer =>
  Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.length);

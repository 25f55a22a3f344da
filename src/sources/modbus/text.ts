/** Text in registers: two characters each, the first in the high byte, or in the low one where `swapped`. */

const PADDING = /[\s\p{Cc}]+$/u;

/**
 * The text of `registers` registers from byte `at` on: ISO 8859-1, up to the first NUL, without padding at the end
 * and without control characters.
 */
export function decodeText(data: Buffer, at: number, registers: number, swapped: boolean): string {
  const bytes = Buffer.from(data.subarray(at, at + 2 * registers));
  if (swapped) bytes.swap16();
  const end = bytes.indexOf(0);
  const text = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  return text.replace(PADDING, '').replaceAll(/\p{Cc}/gu, '');
}

/** The number that a text stands for: by the table of states, or because it reads as one; NaN where it is none. */
export function textValue(text: string, states: Readonly<Record<string, number>> | undefined): number {
  if (states !== undefined) return Object.hasOwn(states, text) ? states[text]! : Number.NaN;
  const trimmed = text.trim();
  return trimmed === '' ? Number.NaN : Number(trimmed);
}

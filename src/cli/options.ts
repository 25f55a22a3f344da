import type { z } from 'zod';
import { parseDurationMs } from '../base/duration.js';
import { SmEdgeError } from '../base/errors.js';
import { parseIso } from '../signals/time-format.js';

/** Milliseconds. @throws SmEdgeError `USAGE` */
export function durationOption(flag: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined)
    throw new SmEdgeError('USAGE', `${flag} ${text}: not a duration`, { hint: 'write 30s, 1min or 2h' });
  return ms;
}

/** A number that is not negative. @throws SmEdgeError `USAGE` */
export function numberOption(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) {
    throw new SmEdgeError('USAGE', `${flag} ${text}: not a number that is 0 or more`, {
      hint: 'write it without a unit; sm-edge VERB --help shows the options',
    });
  }
  return value;
}

/** Milliseconds since the Unix epoch. @throws SmEdgeError `USAGE` */
export function timeOption(flag: string, text: string, nowMs: number): number {
  const backMs = parseDurationMs(text);
  if (backMs !== undefined) return nowMs - backMs;
  const ms = parseIso(text);
  if (!Number.isNaN(ms)) return ms;
  throw new SmEdgeError('USAGE', `${flag} ${text}: not a time`, {
    hint: 'write 2026-11-21T09:30, or 2h for two hours ago',
  });
}

/** A text by its schema. @throws SmEdgeError `USAGE` */
export function checked(schema: z.ZodType<string>, option: string, value: string): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SmEdgeError('USAGE', `${option} "${value}": ${parsed.error.issues[0]?.message}`);
}

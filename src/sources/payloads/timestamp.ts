import { z } from 'zod';

/** Units in which devices write times since the Unix epoch; `iso` is ISO 8601 text. */
export const TIME_UNITS = ['s', 'ms', 'us', 'ns', 'iso'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

export const timeUnit = () =>
  z.enum(TIME_UNITS).default('ms').describe('Unit of the time since the Unix epoch; iso for ISO 8601 text');

const PER_MS: Readonly<Record<Exclude<TimeUnit, 'iso'>, number>> = { s: 1e-3, ms: 1, us: 1e3, ns: 1e6 };

/** ISO 8601 with a date and a time; without a zone it is taken as UTC, as a gateway's zone says nothing about a device. */
const ISO = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/;

/** Milliseconds since the Unix epoch, or undefined where the value is no time in that unit. */
export function timestampMs(value: unknown, unit: TimeUnit): number | undefined {
  if (unit === 'iso') {
    if (typeof value !== 'string') return undefined;
    const text = value.trim();
    const match = ISO.exec(text);
    if (match === null) return undefined;
    const normal = text.replace(' ', 'T').replace(',', '.');
    const timeMs = Date.parse(match[3] === undefined ? `${normal}Z` : normal);
    return Number.isNaN(timeMs) ? undefined : timeMs;
  }
  if (typeof value === 'bigint')
    return unit === 'ns' ? Number(value / 1000n) / 1e3 : Number(value) / PER_MS[unit];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number >= 0
    ? number / PER_MS[unit]
    : undefined;
}

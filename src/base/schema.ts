import { validate } from 'node-cron';
import { z } from 'zod';
import { formatDuration, formatSize, parseDurationMs, parseSizeBytes } from './duration.js';

/** Building blocks for the config schemas of the parts: what a person writes, parsed to what the code uses. */

/** `500ms`, `10s`, `1h` → milliseconds. Bounds are in milliseconds. */
export function duration(bounds: { minMs?: number; maxMs?: number } = {}) {
  const minMs = bounds.minMs ?? 0;
  const maxMs = bounds.maxMs ?? 100 * 365 * 86_400_000;
  const from = minMs > 0 ? formatDuration(minMs) : '0ms';
  const range =
    bounds.maxMs === undefined
      ? minMs > 0
        ? `${from} and more`
        : undefined
      : `${from} to ${formatDuration(maxMs)}`;
  return z
    .string()
    .meta({
      format: 'duration',
      examples: ['500ms', '10s', '5min', '1h', '30d'],
      ...(range === undefined ? {} : { range }),
    })
    .transform((text, context) => {
      const ms = parseDurationMs(text);
      if (ms === undefined) {
        context.addIssue({
          code: 'custom',
          message: `"${text}" is not a duration; write a number and a unit (us, ms, s, min, h, d), such as 500ms`,
        });
        return z.NEVER;
      }
      if (ms < minMs || ms > maxMs) {
        context.addIssue({
          code: 'custom',
          message: `${text} is outside ${range ?? `0ms to ${formatDuration(maxMs)}`}`,
        });
        return z.NEVER;
      }
      return ms;
    });
}

/** `64KiB`, `8GiB` → bytes. */
export function byteSize(bounds: { minBytes?: number } = {}) {
  const minBytes = bounds.minBytes ?? 0;
  return z
    .string()
    .meta({
      format: 'size',
      examples: ['64KiB', '512MiB', '8GiB'],
      ...(minBytes > 0 ? { range: `${formatSize(minBytes)} and more` } : {}),
    })
    .transform((text, context) => {
      const bytes = parseSizeBytes(text);
      if (bytes === undefined) {
        context.addIssue({
          code: 'custom',
          message: `"${text}" is not a size; write a number and a unit (B, KiB, MiB, GiB), such as 8GiB`,
        });
        return z.NEVER;
      }
      if (bytes < minBytes) {
        context.addIssue({ code: 'custom', message: `${text} is less than ${formatSize(minBytes)}` });
        return z.NEVER;
      }
      return Math.floor(bytes);
    });
}

/** An id in a config: letters, digits, `-` and `_`; at most 64 characters. */
export const identifier = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
      'use letters, digits, "-" and "_" (at most 64), starting with a letter or digit',
    );

/** `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:0` → host and port. */
export const listenAddress = () =>
  z
    .string()
    .meta({ format: 'listen-address', examples: ['127.0.0.1:8080', '0.0.0.0:8080', '[::]:8080'] })
    .transform((text, context) => {
      const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
      const host = match?.[1] ?? match?.[2];
      const port = Number(match?.[3]);
      if (host === undefined || port > 65535) {
        context.addIssue({
          code: 'custom',
          message: `"${text}" is not an address to listen on; write host:port, such as 127.0.0.1:8080`,
        });
        return z.NEVER;
      }
      return { host, port };
    });

/** `17 3 * * *`: minute, hour, day of the month, month, day of the week. */
export const cronExpression = () =>
  z
    .string()
    .max(100)
    .meta({ format: 'cron', examples: ['17 3 * * *', '0 2 * * 0'] })
    .refine(validate, 'write five fields: minute, hour, day of the month, month, day of the week');

import { SmEdgeError } from '../base/errors.js';

/** Times in tables: a pattern of yyyy MM dd HH mm ss SSS, `iso`, or `s` and `ms` since the Unix epoch. UTC where no zone is given. */

export type TimeParser = (text: string) => number;

const FIELDS: Readonly<Record<string, string>> = {
  yyyy: '(?<year>\\d{4})',
  MM: '(?<month>\\d{1,2})',
  dd: '(?<day>\\d{1,2})',
  HH: '(?<hour>\\d{1,2})',
  mm: '(?<minute>\\d{1,2})',
  ss: '(?<second>\\d{1,2}(?:[.,]\\d+)?)',
};

/** Milliseconds since the Unix epoch; NaN for a text that does not fit. Throws `TIME_FORMAT` for a pattern without a date. */
export function timeParser(format = 'iso'): TimeParser {
  if (format === 's') return (text) => Math.round(Number(text) * 1000);
  if (format === 'ms') return (text) => Number(text);
  if (format === 'iso') return parseIso;
  const pattern = format
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/yyyy|MM|dd|HH|mm|ss/g, (field) => FIELDS[field]!)
    .replace(/(?:\\\.)?SSS/, '');
  if (!pattern.includes('<year>') || !pattern.includes('<month>') || !pattern.includes('<day>')) {
    throw new SmEdgeError('TIME_FORMAT', `"${format}" is no time format`, {
      hint: 'Write a pattern such as "yyyy-MM-dd HH:mm:ss", or one of iso, s, ms.',
    });
  }
  const expression = new RegExp(`^\\s*${pattern}\\s*$`);
  return (text) => {
    const fields = expression.exec(text)?.groups;
    if (fields === undefined) return Number.NaN;
    const seconds = Number((fields.second ?? '0').replace(',', '.'));
    return (
      Date.UTC(
        Number(fields.year),
        Number(fields.month) - 1,
        Number(fields.day),
        Number(fields.hour ?? 0),
        Number(fields.minute ?? 0),
      ) + Math.round(seconds * 1000)
    );
  };
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?\s*(Z|[+-]\d{2}:?\d{2})?$/;

/** ISO 8601 with `T` or a space; UTC where it carries no zone, so that a replay does not depend on the machine's. */
export function parseIso(text: string): number {
  const match = ISO.exec(text.trim());
  if (match === null) return Number.NaN;
  const [, date, time, zone] = match;
  return Date.parse(`${date}T${time ?? '00:00'}${zone ?? 'Z'}`);
}

import { parseIso } from '../../signals/time-format.js';

/** What the name of a file says. */
export interface NameParts {
  /** Machine, position … by the names in the pattern. */
  readonly names: Readonly<Record<string, string>>;
  /** Start of the recording, where the pattern has {time} and it can be read. */
  readonly timeMs: number | undefined;
}

const NAME = /\{([a-z][A-Za-z0-9]{0,31})\}/g;

/** Forms of {time}: only these, so that a name before it with the same characters ends where it should. */
const TIME =
  '\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}(?::\\d{2}(?:\\.\\d+)?)?(?:Z|[+-]\\d{2}:?\\d{2})?|\\d{8}[T-]?\\d{6}(?:\\.\\d{1,3})?Z?|\\d{13}|\\d{10}';

/** Names in a pattern or a template, `time` left out. */
export const namesOf = (pattern: string): string[] =>
  [...pattern.matchAll(NAME)].map(([, name]) => name!).filter((name) => name !== 'time');

/**
 * `{machine}_{position}_{time}.wav`: {name} is a run of letters, digits and "-", {time} a time, * anything.
 * Gives undefined for a name that does not match.
 */
export function filePattern(pattern: string): (file: string) => NameParts | undefined {
  const source = pattern
    .split(/(\{[a-z][A-Za-z0-9]{0,31}\}|\*)/)
    .map((piece) => {
      if (piece === '*') return '.*';
      if (piece === '{time}') return `(?<time>${TIME})`;
      const [, name] = /^\{(.+)\}$/.exec(piece) ?? [];
      return name === undefined
        ? piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        : `(?<${name}>[A-Za-z0-9][A-Za-z0-9-]*)`;
    })
    .join('');
  const expression = new RegExp(`^${source}$`);
  return (file) => {
    const match = expression.exec(file);
    if (match === null) return undefined;
    const { time, ...names } = match.groups ?? {};
    return { names: names as Record<string, string>, timeMs: time === undefined ? undefined : timeOf(time) };
  };
}

/** Seconds or milliseconds since 1970, ISO 8601 in its long form, or 20260501T120000Z, 20260501-120000. */
function timeOf(text: string): number | undefined {
  if (/^\d{10}$/.test(text)) return Number(text) * 1000;
  if (/^\d{13}$/.test(text)) return Number(text);
  const basic = /^(\d{4})(\d{2})(\d{2})[T-]?(\d{2})(\d{2})(\d{2})(?:\.(\d{1,3}))?Z?$/.exec(text);
  if (basic !== null) {
    const [, year, month, day, hour, minute, second, fraction = '0'] = basic;
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0')}Z`);
  }
  const ms = parseIso(text);
  return Number.isFinite(ms) ? ms : undefined;
}

import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';

/** What a request brought, by its schema. @throws SmEdgeError `REQUEST_INVALID` that names each fault */
export function parseRequest<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => {
    const key = issue.path.join('.');
    const text = inWords(issue);
    return key === '' ? text : `${key}: ${text}`;
  });
  throw new SmEdgeError('REQUEST_INVALID', faults.join('; '), { hint: 'docs/api.md shows each request' });
}

/** What zod found, as a person would say it. */
function inWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_big':
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'too_small':
      return issue.origin === 'string' && issue.minimum === 1
        ? 'must not be empty'
        : `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `unknown: ${issue.keys.join(', ')}`;
    default:
      return issue.message;
  }
}

const unitOf = (origin: string): string =>
  origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : '';

/** Text that a person typed: one line, without control characters. */
export const line = (maxLength: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(/^[^\p{Cc}]*$/u, 'no control characters');

/** A number in a query string. */
export const count = (max: number, standard: number) =>
  z.coerce.number().int().min(1).max(max).default(standard);

/** A time in a query string: ISO 8601 → milliseconds since the Unix epoch. */
export const time = () => z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';

/** What a request brought, by its schema. @throws SmEdgeError `REQUEST_INVALID` that names each fault */
export function parseRequest<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => {
    const key = path.join('.');
    return key === '' ? message : `${key}: ${message}`;
  });
  throw new SmEdgeError('REQUEST_INVALID', faults.join('; '), { hint: 'docs/api.md shows each request' });
}

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

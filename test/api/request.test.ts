import { expect, it } from 'vitest';
import { z } from 'zod';
import { count, line, parseRequest } from '#sm/api/request.js';

const schema = z.strictObject({
  by: line(8).optional(),
  limit: count(1000, 100),
  state: z.enum(['good', 'bad']).optional(),
  names: z.array(z.string()).max(2).optional(),
});

it.each([
  [{ by: '' }, 'by: must not be empty'],
  [{ by: 'much too long' }, 'by: at most 8 characters'],
  [{ by: 'a\u0000b' }, 'by: no control characters'],
  [{ limit: 0 }, 'limit: at least 1'],
  [{ limit: '1e9' }, 'limit: at most 1000'],
  [{ state: 'odd' }, 'state: must be one of good, bad'],
  [{ names: ['a', 'b', 'c'] }, 'names: at most 2 entries'],
  [{ nonsense: 1 }, 'unknown: nonsense'],
])('says of %j what is wrong, as a person would', (request, message) => {
  expect(() => parseRequest(schema, request)).toThrow(message);
});

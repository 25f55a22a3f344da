import { createHash } from 'node:crypto';

const MOST = 64;
const DIGEST = 8;

/** Name of the model that is learned of a point: its own name, as far as a model may bear it. */
export function modelNameOf(point: string): string {
  const name = `learned-${point.replace(/[^A-Za-z0-9_-]/g, '-')}`;
  if (name.length <= MOST) return name;
  const digest = createHash('sha256').update(point).digest('hex').slice(0, DIGEST);
  return `${name.slice(0, MOST - DIGEST - 1)}-${digest}`;
}

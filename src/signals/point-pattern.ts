import { z } from 'zod';

/** Names of points, `*` standing for any run of characters: `pump-1.*`, `*.acceleration`. */
export const pointPattern = () =>
  z
    .string()
    .min(1)
    .max(200)
    .regex(/^[A-Za-z0-9_.*-]+$/, 'write the name of a point; * stands for any part of it, such as pump-1.*');

export function pointMatcher(pattern: string): (point: string) => boolean {
  if (!pattern.includes('*')) return (point) => point === pattern;
  const escaped = pattern.replaceAll('.', '\\.').replace(/\*+/g, '.*');
  const expression = new RegExp(`^${escaped}$`);
  return (point) => expression.test(point);
}

import { appendFileSync } from 'node:fs';

/**
 * A soak is a test with a larger count: `npm run soak -- torn --count 200` runs the same file. The count and where
 * the result goes come in by the environment (scripts/soak.js).
 */
export const soakCount = (short: number): number => Number(process.env.SM_EDGE_SOAK_COUNT ?? short);

/** Time that a test may take, milliseconds: what its short form may take, or as long as a soak takes. */
export const soakTimeoutMs = (shortMs: number): number =>
  process.env.SM_EDGE_SOAK_COUNT === undefined ? shortMs : 6 * 3_600_000;

/** Leaves the result of a soak for its runner. */
export function soakResult(result: unknown): void {
  const file = process.env.SM_EDGE_SOAK_RESULT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`);
}

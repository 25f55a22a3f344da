import type { Diagnosis } from '../../diagnosis/diagnose.js';

/** A diagnosis with less confidence has no voice. */
const LEAST_CONFIDENCE = 0.5;

/** The fault that physics names; undefined where it names none, or is not sure. */
export const conclusive = (
  diagnosis: Pick<Diagnosis, 'fault' | 'confidence'> | undefined,
): string | undefined =>
  diagnosis === undefined ||
  diagnosis.fault === 'normal' ||
  diagnosis.fault === 'unknown' ||
  diagnosis.confidence < LEAST_CONFIDENCE
    ? undefined
    : diagnosis.fault;

/**
 * Whether physics speaks against the name that labelled cases give: it names a fault now, named others while those cases
 * stood, and never this one. It is compared with what it said itself then, not with the name: people may call a fault
 * as they like, in any language, and physics may be wrong about a machine (a bearing that was noted wrongly), if it
 * is so each time.
 * @param now what `conclusive` says
 * @param then the same of each case with that name
 */
export function speaksAgainst(now: string | undefined, then: readonly (string | undefined)[]): boolean {
  const named = then.filter((fault) => fault !== undefined);
  return now !== undefined && named.length > 0 && !named.includes(now);
}

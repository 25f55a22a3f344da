/** Evaluation zones of ISO 10816-3 and ISO 20816-3 for the velocity on non-rotating parts. */

export type Mounting = 'rigid' | 'flexible';

export interface MachineSize {
  /** Rated power, kW. */
  readonly powerKw: number;
  readonly mounting: Mounting;
}

/** Boundaries A/B, B/C and C/D, mm/s RMS. Group 1: above 300 kW; group 2: 15 to 300 kW; class I of ISO 10816-1 below. */
const BOUNDARIES: Readonly<
  Record<'group1' | 'group2' | 'small', Record<Mounting, readonly [number, number, number]>>
> = {
  group1: { rigid: [2.3, 4.5, 7.1], flexible: [3.5, 7.1, 11] },
  group2: { rigid: [1.4, 2.8, 4.5], flexible: [2.3, 4.5, 7.1] },
  small: { rigid: [0.71, 1.8, 4.5], flexible: [0.71, 1.8, 4.5] },
};

/** 1 for zone A (as new), 2 for B (fit for long operation), 3 for C (not for long), 4 for D (damage). */
export function isoZone(velocityRmsMmPerS: number, { powerKw, mounting }: MachineSize): 1 | 2 | 3 | 4 {
  const group = powerKw > 300 ? 'group1' : powerKw >= 15 ? 'group2' : 'small';
  const [ab, bc, cd] = BOUNDARIES[group][mounting];
  if (velocityRmsMmPerS <= ab) return 1;
  if (velocityRmsMmPerS <= bc) return 2;
  return velocityRmsMmPerS <= cd ? 3 : 4;
}

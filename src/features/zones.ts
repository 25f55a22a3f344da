/** Evaluation zones of ISO 10816-3 and ISO 20816-3 for the velocity on non-rotating parts. */

export type Mounting = 'rigid' | 'flexible';

export interface MachineSize {
  /** Rated power, kW. */
  readonly powerKw: number;
  readonly mounting: Mounting;
}

type Group = 'group1' | 'group2' | 'small';
type Boundaries = Readonly<Record<Mounting, readonly [number, number, number]>>;

/**
 * Boundaries A/B, B/C and C/D of the velocity, mm/s RMS: ISO 20816-3:2022, annex A (as ISO 10816-3:2009). Group 1: above
 * 300 kW; group 2: 15 to 300 kW; below, class I of ISO 10816-1, which knows no mounting.
 */
const VELOCITY_MM_PER_S: Readonly<Record<Group, Boundaries>> = {
  group1: { rigid: [2.3, 4.5, 7.1], flexible: [3.5, 7.1, 11] },
  group2: { rigid: [1.4, 2.8, 4.5], flexible: [2.3, 4.5, 7.1] },
  small: { rigid: [0.71, 1.8, 4.5], flexible: [0.71, 1.8, 4.5] },
};

/** The same of the displacement, µm RMS: the standard takes the worse of the two; it decides on slow machines. */
const DISPLACEMENT_UM: Readonly<Partial<Record<Group, Boundaries>>> = {
  group1: { rigid: [29, 57, 90], flexible: [45, 90, 140] },
  group2: { rigid: [22, 45, 71], flexible: [37, 71, 113] },
};

/**
 * 1 for zone A (as new), 2 for B (fit for long operation), 3 for C (not for long), 4 for D (damage): the worse of velocity
 * and, where it is given, displacement (both broad-band RMS).
 */
export function isoZone(
  velocityRmsMmPerS: number,
  { powerKw, mounting }: MachineSize,
  displacementRmsUm?: number,
): 1 | 2 | 3 | 4 {
  const group: Group = powerKw > 300 ? 'group1' : powerKw >= 15 ? 'group2' : 'small';
  const byVelocity = zoneOf(velocityRmsMmPerS, VELOCITY_MM_PER_S[group][mounting]);
  const boundaries = DISPLACEMENT_UM[group]?.[mounting];
  if (displacementRmsUm === undefined || boundaries === undefined) return byVelocity;
  const byDisplacement = zoneOf(displacementRmsUm, boundaries);
  return byDisplacement > byVelocity ? byDisplacement : byVelocity;
}

function zoneOf(value: number, [ab, bc, cd]: readonly [number, number, number]): 1 | 2 | 3 | 4 {
  if (value <= ab) return 1;
  if (value <= bc) return 2;
  return value <= cd ? 3 : 4;
}

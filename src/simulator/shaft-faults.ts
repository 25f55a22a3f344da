import { type Harmonic, velocityAmplitudeG } from './shaft.js';

/** Faults of a shaft and its foundation that show at orders of the speed (ISO 13373-3). */
export const SHAFT_FAULTS = ['unbalance', 'misalignment', 'looseness'] as const;
export type ShaftFault = (typeof SHAFT_FAULTS)[number];

/** Velocity at the full size of a fault, mm/s RMS: within the zones C and D of ISO 20816-3. */
const UNBALANCE_MM_PER_S = 7;
const MISALIGNMENT_MM_PER_S = [2, 3.2, 0.9] as const;
const LOOSENESS_MM_PER_S = 3;
const LOOSENESS_ORDERS = 10;
/** A loose foot lifts off every second turn: half orders. */
const HALF_ORDERS = [0.5, 1.5, 2.5, 3.5, 4.5] as const;
/** Phases that no two orders share, and that are the same in every run. */
const GOLDEN_ANGLE = 2.399_963;

/** The lines that faults of the shaft add; `share` is what of them arrives at this position. */
export function shaftFaultHarmonics(
  severity: (fault: ShaftFault) => number,
  speedRpm: number,
  share = 1,
): Harmonic[] {
  const velocities = new Map<number, number>();
  const add = (order: number, velocity: number) =>
    velocities.set(order, (velocities.get(order) ?? 0) + velocity);
  const unbalance = severity('unbalance');
  const misalignment = severity('misalignment');
  const looseness = severity('looseness');
  if (unbalance > 0) add(1, unbalance * UNBALANCE_MM_PER_S);
  if (misalignment > 0)
    MISALIGNMENT_MM_PER_S.forEach((velocity, index) => void add(index + 1, misalignment * velocity));
  if (looseness > 0) {
    for (let order = 1; order <= LOOSENESS_ORDERS; order++)
      add(order, (looseness * LOOSENESS_MM_PER_S * 0.8) / order ** 0.6);
    for (const order of HALF_ORDERS) add(order, looseness * LOOSENESS_MM_PER_S * 0.28);
  }
  return [...velocities].map(([order, velocity]) => ({
    order,
    amplitude: share * velocityAmplitudeG(velocity, (order * speedRpm) / 60),
    phase: GOLDEN_ANGLE * order * 2,
  }));
}

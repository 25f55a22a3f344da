import type { Evidence, Fault } from './diagnosis.js';

const PART: Readonly<Partial<Record<Fault, string>>> = {
  outer: 'the outer race of the bearing has a defect',
  inner: 'the inner race of the bearing has a defect',
  ball: 'a rolling element of the bearing has a defect',
  cage: 'the cage of the bearing runs unevenly',
};

/** Below it any machine is as good as new: zone A of the smallest ones ends there (ISO 10816-1, class I), mm/s RMS. */
const SLIGHT_MM_PER_S = 0.71;

const SHAFT: Readonly<Partial<Record<Fault, string>>> = {
  unbalance: 'Unbalance: most of the vibration is one pulse a turn. Clean the rotor, then balance it.',
  misalignment: 'Misalignment: the vibration has two pulses a turn. Check the alignment of the coupling.',
  looseness:
    'Looseness: the shaft shows many harmonics and half orders. Check foundation bolts, bearing seats and caps.',
  gear: 'Gear: the tooth mesh is modulated once a turn. Inspect the teeth of the gear on this shaft.',
};

/** The verdict in one sentence that a technician understands. */
export function faultSentence(fault: Fault, evidence: readonly Evidence[], shaftHz: number): string {
  const velocity = evidence[0]?.value ?? 0;
  if (fault === 'unbalance' && velocity < SLIGHT_MM_PER_S)
    return `Slight unbalance: one pulse a turn of ${velocity.toFixed(2)} mm/s leads the vibration. It does no harm (zone A); balance the rotor when it grows.`;
  const shaft = SHAFT[fault];
  if (shaft !== undefined) return shaft;
  const line = evidence[0];
  const speed = `${Math.round(shaftHz * 60)} rpm`;
  if (line === undefined) return `Probably ${PART[fault] ?? fault}, at ${speed}.`;
  const harmonics = evidence.length > 1 ? ` with ${evidence.length - 1} harmonics` : '';
  return (
    `Probably ${PART[fault] ?? fault}: shocks repeat at ${line.frequencyHz.toFixed(1)} Hz` +
    ` (${line.orders.toFixed(2)} per turn at ${speed})${harmonics}.`
  );
}

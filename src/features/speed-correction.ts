import { withFloor } from './line-spectrum.js';
import { findShaftSpeed } from './shaft-speed.js';

/** Orders of the shaft that are looked at, and how far above the declared speed the search goes, share. */
const ORDERS = 10;
const HEADROOM = 1.1;
/** Up to here the nameplate is right: the features allow for slip anyway, and keep their values. */
const LEAST_CORRECTION = 0.01;
/** Turns of the shaft in a block below which its orders cannot be told apart. */
const LEAST_TURNS = 16;

/**
 * True speed over declared speed, from the power spectrum of one block: 1 where the declared speed is right to 1 %, and
 * where no other speed within ±7 % is certain. `power` is the mean square per bin.
 */
export function speedCorrection(
  power: Float64Array,
  binHz: number,
  declaredHz: number,
  blockDurationS: number,
): number {
  if (declaredHz * Math.min(blockDurationS, 1 / binHz) < LEAST_TURNS) return 1;
  const bins = Math.min(power.length, Math.ceil((ORDERS * HEADROOM * declaredHz) / binHz) + 8);
  const amplitude = new Float64Array(bins);
  for (let k = 0; k < bins; k++) amplitude[k] = Math.sqrt(2 * power[k]!);
  const spectrum = withFloor(amplitude, binHz, declaredHz, 1);
  const speed = findShaftSpeed([{ spectrum, orders: ORDERS }], declaredHz);
  const ratio = speed.shaftHz / declaredHz;
  return speed.certain && Math.abs(ratio - 1) > LEAST_CORRECTION ? ratio : 1;
}

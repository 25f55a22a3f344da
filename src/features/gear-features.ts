import { resampleByAngle } from './angular-resampling.js';
import type { FftLibrary } from './fft.js';
import {
  fm0,
  fm4,
  na4,
  orderAmplitude,
  residualSignal,
  residualVariance,
  synchronousAverage,
} from './gear.js';
import { angleFromMesh } from './mesh-angle.js';
import { angleAtSpeed } from './shaft-angle.js';

/** Turns in a block from which an average over them is one. */
const LEAST_TURNS = 8;
/** Averages into which the turns of a block are parted for NA4, each of so many turns at least. */
const GROUPS = 4;

export interface GearAnalysis {
  /** Adds `gear.fm0`, `gear.fm4`, `gear.na4` and `gear.sidebands`; `shaftHz` may be the estimated speed. */
  add(features: Record<string, number>, samples: Float32Array, shaftHz: number): void;
}

/**
 * State of the teeth from the average turn of a block. Undefined where the block is too short, or the sample rate too
 * low for the mesh and its sidebands.
 */
export function createGearAnalysis(
  library: FftLibrary,
  { sampleRateHz, blockLength }: { sampleRateHz: number; blockLength: number },
  declaredHz: number,
  teeth: number,
): GearAnalysis | undefined {
  const turns = (blockLength / sampleRateHz) * declaredHz;
  if (turns < 1.5 * LEAST_TURNS || (teeth + 3) * declaredHz * 1.1 > sampleRateHz / 2) return undefined;
  const samplesPerTurn = 2 ** Math.ceil(Math.log2(sampleRateHz / declaredHz));
  return {
    add(features, samples, shaftHz) {
      const angle =
        angleFromMesh(library, samples, sampleRateHz, shaftHz, teeth) ??
        angleAtSpeed(shaftHz, blockLength / sampleRateHz);
      const turned = resampleByAngle(samples, sampleRateHz, angle, samplesPerTurn);
      const turn = synchronousAverage(turned, samplesPerTurn);
      features['gear.fm0'] = fm0(turn, teeth);
      features['gear.fm4'] = fm4(turn, teeth);
      features['gear.na4'] = worstNa4(turned, samplesPerTurn, teeth);
      const mesh = orderAmplitude(turn, teeth);
      const sides = [-2, -1, 1, 2].map((side) => orderAmplitude(turn, teeth + side));
      features['gear.sidebands'] = mesh > 0 ? Math.hypot(...sides) / mesh : 0;
    },
  };
}

/** NA4 of the worst part of the block, against the mean variance of its parts. */
function worstNa4(turned: Float32Array, samplesPerTurn: number, teeth: number): number {
  const turns = turned.length / samplesPerTurn;
  const each = Math.max(2, Math.floor(turns / GROUPS)) * samplesPerTurn;
  const residuals: Float64Array[] = [];
  for (let from = 0; from + each <= turned.length; from += each)
    residuals.push(
      residualSignal(synchronousAverage(turned.subarray(from, from + each), samplesPerTurn), teeth),
    );
  const history = residuals.map(residualVariance);
  return Math.max(0, ...residuals.map((residual) => na4(residual, history)));
}

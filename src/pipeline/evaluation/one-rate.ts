import { decimate, resamplePoly } from '../../features/resample.js';
import type { RecordedBlock, Recording } from '../../signals/recording-set.js';
import type { Sight } from './sight.js';

/** Largest factor by which a recording is taken down. */
const MOST_DOWN = 64;
const MOST_RATIO = 256;
/** Of whole factors: clocks of recorders are no better known. */
const TOLERANCE = 1e-4;
/** Samples at each end that the filter has seen only in part, at the lower rate. */
const EDGE = 16;

/** Sights of one rate without a healthy one, and where healthy ones of their point and unit are. */
export interface WithoutHealthy {
  readonly sights: readonly Sight[];
  readonly rateHz: number;
  /** Healthy ones of the next higher rate, or, where there is none, of the next lower one. */
  readonly healthy: readonly Sight[];
  readonly healthyRateHz: number;
}

/** Of the recordings of each point and unit those at a sample rate at which nothing is healthy, while at another one it is. */
export function withoutHealthy(
  sights: readonly Sight[],
  isLearned: (sight: Sight) => boolean,
): WithoutHealthy[] {
  return [...new Set(sights.map(({ group }) => group))].flatMap((group) => {
    const own = sights.filter((sight) => sight.group === group);
    if (own.some(isLearned)) return [];
    const { point, unit, sampleRateHz: rateHz } = own[0]!;
    const donors = sights.filter((of) => of.point === point && of.unit === unit && isLearned(of));
    const rates = [...new Set(donors.map(({ sampleRateHz }) => sampleRateHz))].sort((a, b) => a - b);
    const healthyRateHz = rates.find((rate) => rate > rateHz) ?? rates.at(-1);
    if (healthyRateHz === undefined) return [];
    const healthy = donors.filter(({ sampleRateHz }) => sampleRateHz === healthyRateHz);
    return [{ sights: own, rateHz, healthy, healthyRateHz }];
  });
}

/** The recording at a lower rate, Hz; undefined where the rates have no simple ratio. */
export function takenDown(recording: Recording, rateHz: number): Recording | undefined {
  const resampled = resamplerTo(recording.sampleRateHz, rateHz);
  if (resampled === undefined) return undefined;
  const edgeS = EDGE / rateHz;
  const blocks = recording.blocks.map(
    ({ samples, startTimeMs, offsetS }): RecordedBlock => ({
      samples: Float32Array.from(resampled(samples).subarray(EDGE, -EDGE)),
      startTimeMs: startTimeMs + edgeS * 1000,
      offsetS: offsetS + edgeS,
    }),
  );
  return { ...recording, sampleRateHz: rateHz, blocks };
}

function resamplerTo(fromHz: number, toHz: number): ((samples: Float32Array) => Float64Array) | undefined {
  const factor = Math.round(fromHz / toHz);
  if (factor <= MOST_DOWN && Math.abs(fromHz / toHz / factor - 1) < TOLERANCE)
    return (samples) => decimate(samples, factor);
  for (let up = 2; up <= MOST_RATIO; up++) {
    const down = Math.round((fromHz / toHz) * up);
    if (down <= MOST_RATIO && Math.abs((fromHz / toHz) * (up / down) - 1) < TOLERANCE)
      return (samples) => resamplePoly(samples, up, down);
  }
  return undefined;
}

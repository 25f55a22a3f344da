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

/**
 * Recordings of a point that are to be compared at one sample rate: those of a point and unit that were taken at several,
 * where at one of these nothing is healthy that could be learned from.
 * @returns by the lowest of the rates, Hz, all the sights of it
 */
export function atSeveralRates(
  sights: readonly Sight[],
  isLearned: (sight: Sight) => boolean,
): { readonly rateHz: number; readonly sights: readonly Sight[] }[] {
  const families = new Map<string, Sight[]>();
  for (const sight of sights) {
    const name = `${sight.point} in ${sight.unit}`;
    families.set(name, [...(families.get(name) ?? []), sight]);
  }
  return [...families.values()].flatMap((family) => {
    const rates = [...new Set(family.map(({ sampleRateHz }) => sampleRateHz))];
    const learned = new Set(family.filter(isLearned).map(({ sampleRateHz }) => sampleRateHz));
    if (learned.size === 0 || learned.size === rates.length) return [];
    return [{ rateHz: Math.min(...rates), sights: family }];
  });
}

/** The recording at a lower rate, Hz; undefined where the rates have no simple ratio. */
export function takenDown(recording: Recording, rateHz: number): Recording | undefined {
  const resampled = resamplerTo(recording.sampleRateHz, rateHz);
  if (resampled === undefined) return undefined;
  const blocks = recording.blocks.map(({ samples, startTimeMs, offsetS }): RecordedBlock => {
    const edgeS = EDGE / rateHz;
    return {
      samples: Float32Array.from(resampled(samples).subarray(EDGE, -EDGE)),
      startTimeMs: startTimeMs + edgeS * 1000,
      offsetS: offsetS + edgeS,
    };
  });
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

import { dotProduct } from './kernels.js';

/** Mel filter banks, with the same numbers as librosa 0.10 and later (`librosa.filters.mel`). */

export type MelScale = 'slaney' | 'htk';

const SLANEY_LINEAR_HZ_PER_MEL = 200 / 3;
const SLANEY_BREAK_HZ = 1000;
const SLANEY_BREAK_MEL = SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ_PER_MEL;
const SLANEY_LOG_STEP = Math.log(6.4) / 27;

export function hzToMel(hz: number, scale: MelScale): number {
  if (scale === 'htk') return 2595 * Math.log10(1 + hz / 700);
  return hz < SLANEY_BREAK_HZ
    ? hz / SLANEY_LINEAR_HZ_PER_MEL
    : SLANEY_BREAK_MEL + Math.log(hz / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP;
}

export function melToHz(mel: number, scale: MelScale): number {
  if (scale === 'htk') return 700 * (10 ** (mel / 2595) - 1);
  return mel < SLANEY_BREAK_MEL
    ? mel * SLANEY_LINEAR_HZ_PER_MEL
    : SLANEY_BREAK_HZ * Math.exp((mel - SLANEY_BREAK_MEL) * SLANEY_LOG_STEP);
}

/** One triangular filter: weights of the bins from `fromBin` on. */
export interface MelFilter {
  readonly fromBin: number;
  readonly weights: Float64Array;
}

export interface MelOptions {
  readonly sampleRateHz: number;
  /** Points of the transform. */
  readonly transformLength: number;
  readonly count: number;
  readonly lowHz?: number;
  readonly highHz?: number;
  readonly scale?: MelScale;
  /** `slaney`: each filter has unit area, so that white noise gives a flat result; `none`: unit height. */
  readonly norm?: 'slaney' | 'none';
}

/** Triangles equally spaced in mel from lowHz to highHz (half the sample rate where missing). */
export function melFilterBank(options: MelOptions): MelFilter[] {
  const { sampleRateHz, transformLength, count } = options;
  const scale = options.scale ?? 'slaney';
  const low = hzToMel(options.lowHz ?? 0, scale);
  const high = hzToMel(options.highHz ?? sampleRateHz / 2, scale);
  const edgesHz = Array.from({ length: count + 2 }, (_, i) =>
    melToHz(low + ((high - low) * i) / (count + 1), scale),
  );
  const binHz = sampleRateHz / transformLength;
  const bins = transformLength / 2 + 1;
  return Array.from({ length: count }, (_, m) => {
    const [left, centre, right] = [edgesHz[m]!, edgesHz[m + 1]!, edgesHz[m + 2]!];
    const gain = options.norm === 'none' ? 1 : 2 / (right - left);
    const fromBin = Math.min(bins, Math.max(0, Math.ceil(left / binHz)));
    const toBin = Math.max(fromBin, Math.min(bins, Math.floor(right / binHz) + 1));
    const weights = Float64Array.from({ length: toBin - fromBin }, (_, i) => {
      const hz = (fromBin + i) * binHz;
      return Math.max(0, Math.min((hz - left) / (centre - left), (right - hz) / (right - centre))) * gain;
    });
    return { fromBin, weights };
  });
}

/** Energy in each filter: out[offset + m] = sum of weight times power. */
export function applyMelFilters(
  filters: readonly MelFilter[],
  power: Float64Array,
  out: Float64Array,
  offset = 0,
): void {
  for (let m = 0; m < filters.length; m++) {
    const filter = filters[m]!;
    out[offset + m] = dotProduct(filter.weights, power, filter.fromBin);
  }
}

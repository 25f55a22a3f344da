import { medianOf } from './fault-lines.js';

/** An amplitude spectrum with the floor from which its lines stand out. */
export interface LineSpectrum {
  readonly binHz: number;
  readonly amplitude: Float64Array;
  /** Running median of the amplitude: the floor around each bin. */
  readonly floor: Float64Array;
  /** Spectra that were averaged: the more, the less a random peak stands out. */
  readonly averages: number;
}

/** @param reachHz half width of the running median. */
export function withFloor(
  amplitude: Float64Array,
  binHz: number,
  reachHz: number,
  averages: number,
): LineSpectrum {
  const reach = Math.max(12, Math.round(reachHz / binHz));
  return { binHz, amplitude, floor: runningMedian(amplitude, reach), averages };
}

/** Medians at every half reach, straight lines between them. */
function runningMedian(values: Float64Array, reach: number): Float64Array {
  const step = Math.max(1, reach >> 1);
  const scratch = new Float64Array(2 * reach + 1);
  const knots: number[] = [];
  for (let centre = 0; centre < values.length + step; centre += step) {
    const from = Math.max(1, Math.min(centre, values.length) - reach);
    knots.push(medianOf(values, from, Math.min(values.length, centre + reach + 1), scratch));
  }
  const median = new Float64Array(values.length);
  for (let k = 0; k < median.length; k++) {
    const knot = Math.floor(k / step);
    const share = (k - knot * step) / step;
    median[k] = knots[knot]! * (1 - share) + (knots[knot + 1] ?? knots[knot]!) * share;
  }
  return median;
}

export interface Line {
  readonly frequencyHz: number;
  readonly amplitude: number;
  /** Amplitude over the floor. */
  readonly ratio: number;
  /** Amplitude without the share of the floor. */
  readonly excess: number;
}

const NO_LINE: Line = { frequencyHz: 0, amplitude: 0, ratio: 0, excess: 0 };

/** The highest of the bins next to `frequencyHz`; nothing beyond the end of the spectrum. */
export function lineNear(spectrum: LineSpectrum, frequencyHz: number): Line {
  const { amplitude, floor, binHz } = spectrum;
  const centre = Math.round(frequencyHz / binHz);
  if (centre < 1 || centre + 1 >= amplitude.length) return NO_LINE;
  let bin = centre;
  if (amplitude[centre - 1]! > amplitude[bin]!) bin = centre - 1;
  if (amplitude[centre + 1]! > amplitude[bin]!) bin = centre + 1;
  const value = amplitude[bin]!;
  const base = floor[bin]!;
  return {
    frequencyHz: bin * binHz,
    amplitude: value,
    ratio: base > 0 ? value / base : 0,
    excess: Math.sqrt(Math.max(0, value * value - base * base)),
  };
}

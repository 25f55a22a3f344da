import { bandMeanSquare } from './spectrum.js';

/** One-third octave bands (IEC 61260-1, base ten) and the A weighting (IEC 61672-1). */

export interface OctaveBand {
  /** The name that the band goes by, Hz. */
  readonly nominalHz: number;
  readonly lowHz: number;
  readonly highHz: number;
}

const NOMINAL = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8];

/** The bands from 10 Hz on that lie below `highHz` and are at least two bins wide. */
export function thirdOctaves(highHz: number, binHz: number): OctaveBand[] {
  const bands: OctaveBand[] = [];
  for (let index = 10; ; index++) {
    const centreHz = 10 ** (index / 10);
    const band = {
      nominalHz: Number((NOMINAL[index % 10]! * 10 ** Math.floor(index / 10)).toPrecision(3)),
      lowHz: centreHz * 10 ** -0.05,
      highHz: centreHz * 10 ** 0.05,
    };
    if (band.highHz > highHz) return bands;
    if (band.highHz - band.lowHz >= 2 * binHz) bands.push(band);
  }
}

/** RMS of a band of a power spectrum. */
export const octaveRms = (power: Float64Array, binHz: number, band: OctaveBand): number =>
  Math.sqrt(bandMeanSquare(power, binHz, band.lowHz, band.highHz));

/** The A weighting at a frequency, dB: 0 at 1 kHz. */
export function aWeightingDb(hz: number): number {
  const f2 = hz * hz;
  const gain =
    (12_194 ** 2 * f2 * f2) /
    ((f2 + 20.6 ** 2) * Math.sqrt((f2 + 107.7 ** 2) * (f2 + 737.9 ** 2)) * (f2 + 12_194 ** 2));
  return 20 * Math.log10(Math.max(gain, 1e-10)) + 2;
}

/** Power weights of A for the bins of a spectrum. */
export const aWeights = (bins: number, binHz: number): Float64Array =>
  Float64Array.from({ length: bins }, (_, k) => 10 ** (aWeightingDb(k * binHz) / 10));

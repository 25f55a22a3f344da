import { SmEdgeError } from '../base/errors.js';
import type { AveragingMode } from './averaging.js';
import type { WindowName } from './window.js';
import type { MachineSize } from './zones.js';

/** What the analysis of one measuring point needs to know. */

/** Geometry of a rolling bearing, or its multipliers of the shaft frequency where the maker gives them. */
export interface BearingGeometry {
  readonly designation?: string | undefined;
  /** Rolling elements in one row. */
  readonly balls: number;
  readonly ballDiameterMm: number;
  readonly pitchDiameterMm: number;
  readonly contactAngleDeg: number;
  /** Fault frequency over shaft frequency; they win over the geometry. BSF is one turn of the ball. */
  readonly multipliers?:
    | {
        readonly BPFO?: number | undefined;
        readonly BPFI?: number | undefined;
        readonly BSF?: number | undefined;
        readonly FTF?: number | undefined;
      }
    | undefined;
}

/** A gear on the shaft of the measuring point. */
export interface GearGeometry {
  readonly teeth: number;
}

/** How the power spectrum of a block comes about; one transform of the whole block where nothing is said. */
export interface SpectrumSpec {
  /** Points of one transform, at most the block; shorter segments are averaged over the block. */
  readonly segment?: number;
  /** Share of a segment that the next one repeats; 0.5 where missing. */
  readonly overlap?: number;
  /** `linear` where missing. */
  readonly averaging?: AveragingMode;
}

/** What is done to a block before anything is computed from it. */
export interface ConditioningSpec {
  /** Butterworth high-pass, Hz, against drift and bias. */
  readonly highPassHz?: number;
  readonly highPassOrder?: number;
  /** The rate that the block is analysed at, Hz: polyphase decimation or rational resampling. */
  readonly sampleRateHz?: number;
}

export interface AnalysisSpec {
  readonly sampleRateHz: number;
  /** Samples in one block. */
  readonly blockLength: number;
  /** Unit of a sample: `g`, `m/s2`, `mm/s`, `Pa`, `FS`. */
  readonly unit: string;
  /** `acceleration`, `velocity`, `sound-pressure`, `microphone`: of the manifest, or the last segment of the point. */
  readonly quantity: string;
  /** Speed of the shaft, revolutions per minute. */
  readonly speedRpm?: number;
  readonly bearing?: BearingGeometry;
  readonly gear?: GearGeometry;
  /** Size and mounting of the machine, for its zone after ISO 20816-3. */
  readonly machine?: MachineSize;
  /** Window of the power spectrum of vibration; `hann` where missing. */
  readonly window?: WindowName;
  readonly spectrum?: SpectrumSpec;
  readonly conditioning?: ConditioningSpec;
  /** `full` adds percentiles, autocorrelation, spectral lines, third octaves, and MFCC of sound. */
  readonly detail?: 'standard' | 'full';
  /** Frequency bands for `band.<low>-<high>.rms`, Hz; the default bands where missing. */
  readonly bands?: readonly (readonly [number, number])[];
}

/** Features by name; a feature that cannot be computed is not there. */
export type FeatureVector = Readonly<Record<string, number>>;

const SOUND_QUANTITIES = /^(sound|microphone|acoustic|audio|noise|spl)/i;

/** Sound is analysed for level and timbre, everything else as vibration. */
export function isSound(spec: Pick<AnalysisSpec, 'quantity' | 'unit'>): boolean {
  return SOUND_QUANTITIES.test(spec.quantity) || spec.unit === 'Pa';
}

/** Bands that span the usual machine: structure, shaft and gear orders, then resonances of the bearing, Hz. */
export const DEFAULT_BANDS: readonly (readonly [number, number])[] = [
  [10, 100],
  [100, 1000],
  [1000, 2500],
  [2500, 5000],
  [5000, 10_000],
  [10_000, 20_000],
];

/** Turns blocks of one measuring point into features. Its plan is computed once; it serves one block at a time. */
export interface Extractor {
  readonly spec: AnalysisSpec;
  /** Names of the features, in the order of the vector. */
  readonly names: readonly string[];
  /** Features of `spec.blockLength` samples in `spec.unit`. Throws `BLOCK_LENGTH` for any other number of them. */
  extract(samples: Float32Array): FeatureVector;
  /** Gives the memory of the plan back. Idempotent. */
  close(): void;
}

export function requireBlockLength(spec: AnalysisSpec, samples: Float32Array): void {
  if (samples.length !== spec.blockLength)
    throw new SmEdgeError('BLOCK_LENGTH', `${samples.length} samples given, ${spec.blockLength} expected`);
}

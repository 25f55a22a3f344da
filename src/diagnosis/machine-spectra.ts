import { BlockSpectrum, EnvelopePlan, EnvelopeSpectrum } from '../features/envelope.js';
import type { FftLibrary } from '../features/fft.js';
import { type LineSpectrum, withFloor } from '../features/line-spectrum.js';
import { PowerSpectrum } from '../features/spectrum.js';
import { prewhiten } from '../features/whitening.js';

/**
 * What a diagnosis looks at: the spectrum of the vibration, the envelope spectrum of the vibration as it is, and
 * envelope spectra of the pre-whitened vibration in several bands. All are averaged over the blocks.
 */
export interface MachineSpectra {
  readonly vibration: LineSpectrum;
  /** Depth of the modulation of the whole signal above the shaft orders. */
  readonly envelope: LineSpectrum;
  /** The same of the whitened signal: the whole band first, then halves and quarters of it. */
  readonly whitened: readonly WhitenedBand[];
  /** Turns of the shaft in one spectrum of the whitened signal. */
  readonly segmentTurns: number;
}

export interface WhitenedBand {
  readonly lowHz: number;
  readonly highHz: number;
  /** 1 for the whole band, 2 for a half, 4 for a quarter. */
  readonly division: number;
  readonly spectrum: LineSpectrum;
}

/** Turns of the shaft in one transform: they tell orders 0.04 apart. Longer ones smear bearing lines, which slip. */
const ENVELOPE_TURNS = 48;
/** The spectra of vibration and envelope that the speed is read from may be finer: shaft lines do not slip. */
const SPEED_TURNS = 400;
/** Passband of an anti-aliasing filter over the sample rate (1 / 2.56): above it there is only noise to whiten. */
const PASSBAND = 1 / 2.56;
/** Below it lie shaft orders, no resonances, Hz. */
const ENVELOPE_LOW_HZ = 500;
const DIVISIONS = [1, 2, 4];
/** Shaft orders over which the floor of a spectrum is taken, to each side. */
const FLOOR_ORDERS = 1;

export interface SpectraOptions {
  readonly sampleRateHz: number;
  readonly shaftHz: number;
  /** Highest order to be seen in the envelope. */
  readonly maxOrder: number;
}

/** Spectra over blocks of one length. */
export function machineSpectra(
  library: FftLibrary,
  blocks: readonly Float32Array[],
  { sampleRateHz, shaftHz, maxOrder }: SpectraOptions,
): MachineSpectra {
  const blockLength = blocks[0]!.length;
  const speedSamples = Math.floor((SPEED_TURNS / shaftHz) * sampleRateHz);
  const power = PowerSpectrum.create(library, blockLength, sampleRateHz, {
    maxTransform: Math.max(32, Math.min(speedSamples, 262_144)),
  })!;
  const block = BlockSpectrum.create(library, blockLength, sampleRateHz)!;
  const lowHz = Math.min(ENVELOPE_LOW_HZ, sampleRateHz / 16);
  const highHz = sampleRateHz * PASSBAND;
  const envelope = new BandEnvelope(library, block, sampleRateHz, [lowHz, sampleRateHz / 2], {
    segmentS: SPEED_TURNS / 2 / shaftHz,
    maxHz: 12 * shaftHz,
  });
  const bands = DIVISIONS.flatMap((division) =>
    Array.from({ length: division }, (_, index) => {
      const width = (highHz - lowHz) / division;
      const from = lowHz + index * width;
      const plan = new BandEnvelope(library, block, sampleRateHz, [from, from + width], {
        segmentS: ENVELOPE_TURNS / shaftHz,
        maxHz: Math.min(maxOrder * shaftHz, 0.9 * width),
      });
      return { lowHz: from, highHz: from + width, division, plan };
    }),
  );
  const sum = new Float64Array(power.power.length);
  try {
    for (const samples of blocks) {
      const each = power.compute(samples);
      for (let k = 0; k < sum.length; k++) sum[k]! += each[k]! / blocks.length;
      block.compute(samples);
      envelope.add(block.data);
      prewhiten(block.data);
      for (const { plan } of bands) plan.add(block.data);
    }
    const reachHz = FLOOR_ORDERS * shaftHz;
    return {
      vibration: withFloor(
        Float64Array.from(sum, (mean) => Math.sqrt(2 * mean)),
        power.binHz,
        reachHz,
        blocks.length,
      ),
      envelope: envelope.result(reachHz),
      segmentTurns: Math.min(ENVELOPE_TURNS, (block.length / sampleRateHz) * shaftHz),
      whitened: bands.map(({ plan, ...band }) => ({ ...band, spectrum: plan.result(reachHz) })),
    };
  } finally {
    for (const part of [power, block, envelope, ...bands.map((band) => band.plan)]) part.close();
  }
}

/** Envelope spectrum of one band, averaged over overlapping segments of every block. */
class BandEnvelope {
  readonly #fromBin: number;
  readonly #bins: number;
  readonly #plan: EnvelopePlan;
  readonly #spectrum: EnvelopeSpectrum;
  readonly #segment: number;
  readonly #sum: Float64Array;
  #count = 0;

  constructor(
    library: FftLibrary,
    block: BlockSpectrum,
    sampleRateHz: number,
    [lowHz, highHz]: readonly [number, number],
    { segmentS, maxHz }: { segmentS: number; maxHz: number },
  ) {
    this.#fromBin = Math.max(1, Math.round(lowHz / block.binHz));
    this.#bins = Math.max(1, Math.min(block.length / 2, Math.round(highHz / block.binHz)) - this.#fromBin);
    this.#plan = new EnvelopePlan(library, block.length, sampleRateHz, this.#bins);
    const usable = this.#plan.length - 2 * this.#plan.margin;
    this.#segment = Math.max(1, Math.min(usable, Math.round(segmentS * this.#plan.sampleRateHz)));
    this.#spectrum = new EnvelopeSpectrum(library, this.#segment, this.#plan.sampleRateHz, 0, maxHz);
    this.#sum = new Float64Array(this.#spectrum.depth.length);
  }

  add(spectrum: Float32Array): void {
    const squared = this.#plan.compute(spectrum, { fromBin: this.#fromBin, bins: this.#bins });
    const end = squared.length - this.#plan.margin;
    for (
      let start = this.#plan.margin;
      start + this.#segment <= end;
      start += Math.max(1, this.#segment >> 1)
    ) {
      const depth = this.#spectrum.compute(squared.subarray(start, start + this.#segment));
      for (let k = 0; k < depth.length; k++) this.#sum[k]! += depth[k]! * depth[k]!;
      this.#count++;
    }
  }

  result(reachHz: number): LineSpectrum {
    const count = Math.max(1, this.#count);
    const amplitude = Float64Array.from(this.#sum, (sum) => Math.sqrt(sum / count));
    return withFloor(amplitude, this.#spectrum.binHz, reachHz, count);
  }

  close(): void {
    this.#plan.close();
    this.#spectrum.close();
  }
}

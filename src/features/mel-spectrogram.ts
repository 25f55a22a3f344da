import { type FftLibrary, RealFft } from './fft.js';
import { powerOf, windowInto } from './kernels.js';
import { applyMelFilters, type MelFilter, type MelOptions, melFilterBank } from './mel.js';
import { createWindow } from './window.js';

export interface MelSpectrogramOptions extends MelOptions {
  readonly hop: number;
  /** Frames centred on their time, the signal padded with zeros (librosa's default); from the first sample on if false. */
  readonly centre?: boolean;
}

/** Mel spectrogram of signals of one length, with the numbers of `librosa.feature.melspectrogram` (power 2, Hann). */
export class MelSpectrogram {
  readonly frames: number;
  readonly bands: number;
  /** Energies, frame after frame. Overwritten by the next `compute`. */
  readonly energies: Float64Array;
  readonly #fft: RealFft;
  readonly #window: Float32Array;
  readonly #filters: readonly MelFilter[];
  readonly #power: Float64Array;
  readonly #hop: number;
  readonly #offset: number;

  constructor(library: FftLibrary, length: number, options: MelSpectrogramOptions) {
    const { transformLength, hop } = options;
    const centred = options.centre ?? true;
    this.#offset = centred ? -transformLength / 2 : 0;
    this.frames = Math.max(0, 1 + Math.floor((centred ? length : length - transformLength) / hop));
    this.#fft = new RealFft(library, transformLength);
    this.#window = createWindow('hann', transformLength).values;
    this.#filters = melFilterBank(options);
    this.#hop = hop;
    this.bands = options.count;
    this.#power = new Float64Array(transformLength / 2 + 1);
    this.energies = new Float64Array(this.frames * options.count);
  }

  compute(samples: Float32Array): Float64Array {
    const power = this.#power;
    const window = this.#window;
    const n = window.length;
    for (let frame = 0; frame < this.frames; frame++) {
      const start = frame * this.#hop + this.#offset;
      const { data } = this.#fft;
      if (start >= 0 && start + n <= samples.length) windowInto(data, samples, start, 0, window);
      else padInto(data, samples, start, window);
      this.#fft.forward();
      powerOf(data, power);
      applyMelFilters(this.#filters, power, this.energies, frame * this.bands);
    }
    return this.energies;
  }

  close(): void {
    this.#fft.close();
  }
}

/** A frame that reaches beyond the signal: zeros there. */
function padInto(out: Float32Array, samples: Float32Array, start: number, window: Float32Array): void {
  for (let i = 0; i < window.length; i++) out[i] = (samples[start + i] ?? 0) * window[i]!;
}

/** Decibels of a power per unit of its natural logarithm: Math.log is faster than Math.log10. */
const DECIBELS = 10 / Math.LN10;

/** `librosa.power_to_db` with reference 1: in place, at most `topDb` below the highest. */
export function toDecibels(energies: Float64Array, topDb = 80): Float64Array {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < energies.length; i++) {
    energies[i] = DECIBELS * Math.log(Math.max(1e-10, energies[i]!));
    highest = Math.max(highest, energies[i]!);
  }
  for (let i = 0; i < energies.length; i++) energies[i] = Math.max(energies[i]!, highest - topDb);
  return energies;
}

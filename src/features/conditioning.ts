import { SmEdgeError } from '../base/errors.js';
import { butterworth, SosFilter } from './filter.js';
import { createDecimator, PolyphaseResampler } from './resample.js';
import type { AnalysisSpec, ConditioningSpec } from './spec.js';

/** What is done to a block before it is analysed: high-pass first, then the change of the sample rate. */
export interface Conditioner {
  /** The block as it is analysed, float32. Overwritten by the next call. */
  condition(samples: Float32Array): Float32Array;
  readonly sampleRateHz: number;
  readonly blockLength: number;
}

const DEFAULT_ORDER = 4;
/** Rates are taken to a thousandth of a hertz. */
const RATE_STEPS = 1000;
const MAX_RATIO = 1024;

/**
 * The whole numbers up / down by which `fromHz` becomes `toHz`.
 * @throws SmEdgeError `RESAMPLE_RATIO` where there are none up to 1024
 */
export function rateRatio(fromHz: number, toHz: number): { up: number; down: number } {
  let a = Math.round(toHz * RATE_STEPS);
  let b = Math.round(fromHz * RATE_STEPS);
  const [up, down] = [a, b];
  while (b !== 0) [a, b] = [b, a % b];
  const ratio = { up: up / a, down: down / a };
  if (!(toHz > 0 && fromHz > 0) || Math.max(ratio.up, ratio.down) > MAX_RATIO)
    throw new SmEdgeError('RESAMPLE_RATIO', `${fromHz} Hz cannot be brought to ${toHz} Hz`, {
      hint: 'Choose a rate that stands to the source as two whole numbers up to 1024, such as half or a quarter of it.',
    });
  return ratio;
}

/** Undefined where nothing is to be done. Throws `FILTER_DESIGN` or `RESAMPLE_RATIO`. */
export function createConditioner(
  spec: Pick<AnalysisSpec, 'sampleRateHz' | 'blockLength'>,
  conditioning: ConditioningSpec | undefined,
): Conditioner | undefined {
  if (conditioning === undefined) return undefined;
  const { highPassHz, highPassOrder = DEFAULT_ORDER } = conditioning;
  const highPass =
    highPassHz === undefined
      ? undefined
      : new SosFilter(butterworth('high-pass', highPassOrder, highPassHz, spec.sampleRateHz));
  const { up, down } = rateRatio(spec.sampleRateHz, conditioning.sampleRateHz ?? spec.sampleRateHz);
  const resampler =
    up === down ? undefined : up === 1 ? createDecimator(down) : new PolyphaseResampler(up, down);
  if (highPass === undefined && resampler === undefined) return undefined;

  const filtered = new Float32Array(spec.blockLength);
  const blockLength = Math.ceil((spec.blockLength * up) / down);
  const out = resampler === undefined ? filtered : new Float32Array(blockLength);
  return {
    sampleRateHz: (spec.sampleRateHz * up) / down,
    blockLength,
    condition(samples) {
      let signal = samples;
      if (highPass !== undefined) {
        // As if the bias had been there for ever: a filter that starts at zero would ring through the block.
        highPass.settle(meanOf(samples));
        highPass.process(samples, filtered);
        signal = filtered;
      }
      if (resampler !== undefined) {
        const begin = resampler.process(signal);
        out.set(begin);
        out.set(resampler.flush(), begin.length);
        signal = out;
      }
      return signal;
    },
  };
}

function meanOf(samples: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]!;
  return samples.length === 0 ? 0 : sum / samples.length;
}

import { SmEdgeError } from '../base/errors.js';
import { MAX_SAMPLE_RATE_HZ } from '../signals/sample-rate.js';
import { createConditioner } from './conditioning.js';
import { loadFft } from './fft.js';
import { createSoundExtractor } from './sound.js';
import { type AnalysisSpec, type Extractor, isSound, requireBlockLength } from './spec.js';
import { createVibrationExtractor } from './vibration.js';

export type { Extractor } from './spec.js';

/** Longest block: 10 min at 48 kHz. */
const MAX_BLOCK = 30_000_000;

/** Throws `ANALYSIS_SPEC`, `FILTER_DESIGN` or `RESAMPLE_RATIO` for a rate or length that no recording has. */
export async function createExtractor(spec: AnalysisSpec): Promise<Extractor> {
  const { sampleRateHz, blockLength } = spec;
  if (!(sampleRateHz > 0 && sampleRateHz <= MAX_SAMPLE_RATE_HZ))
    throw new SmEdgeError('ANALYSIS_SPEC', `sample rate ${sampleRateHz} Hz is not between 0 and 10 MHz`);
  if (!Number.isInteger(blockLength) || blockLength < 1 || blockLength > MAX_BLOCK)
    throw new SmEdgeError('ANALYSIS_SPEC', `block length ${blockLength} is not between 1 and ${MAX_BLOCK}`);
  const library = await loadFft();
  const conditioner = createConditioner(spec, spec.conditioning);
  const create = isSound(spec) ? createSoundExtractor : createVibrationExtractor;
  if (conditioner === undefined) return create(library, spec);
  const inner = create(library, {
    ...spec,
    sampleRateHz: conditioner.sampleRateHz,
    blockLength: conditioner.blockLength,
  });
  return {
    spec,
    names: inner.names,
    extract(samples) {
      requireBlockLength(spec, samples);
      return inner.extract(conditioner.condition(samples));
    },
    close: () => inner.close(),
  };
}

import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { featuresOf, type ModelInputs } from './manifest-inputs.js';
import { modelKey } from './model-key.js';

/** What a measuring point gives to a model. What is unknown is left out and does not count against the model. */
export interface PointOffer {
  readonly quantity: string;
  readonly unit?: string;
  readonly sampleRateHz?: number;
  /** Samples per block that features are made of. */
  readonly blockSamples?: number;
  /** Names of the features that the point has on every block. */
  readonly features: readonly string[];
}

/** One reason why a model does not fit a point, in the words of the manifest. */
export interface Difference {
  readonly field: 'task' | 'quantity' | 'unit' | 'sampleRateHz' | 'window' | 'features';
  readonly expected: string;
  readonly actual: string;
}

const LACKS = 'lacks ';

/** Every difference between what the model needs and what the point has; empty where the model fits. */
export function compatibility(manifest: ModelManifest, offer: PointOffer): Difference[] {
  const { signal, inputs, task, output } = manifest;
  const differences: Difference[] = [];
  const differ = (field: Difference['field'], expected: string, actual: string) =>
    differences.push({ field, expected, actual });

  // Manifests of the first form could name a task without an output for it.
  if (task !== 'anomaly' && (output.kind === undefined || output.kind === 'score'))
    differ('task', 'anomaly', task);
  if (!signal.quantities.includes(offer.quantity))
    differ('quantity', signal.quantities.join(' or '), offer.quantity);
  if (signal.unit !== undefined && offer.unit !== undefined && signal.unit !== offer.unit)
    differ('unit', signal.unit, offer.unit);

  const { sampleRateHz: rates, window } = signal;
  const { sampleRateHz, blockSamples } = offer;
  if (rates !== undefined && sampleRateHz !== undefined) {
    if (sampleRateHz < rates.min || sampleRateHz > rates.max)
      differ('sampleRateHz', `${rates.min} to ${rates.max} Hz`, `${sampleRateHz} Hz`);
  }
  if (window?.minSamples !== undefined && blockSamples !== undefined && blockSamples < window.minSamples)
    differ('window', `at least ${window.minSamples} samples`, `${blockSamples} samples`);
  if (window?.minDurationS !== undefined && blockSamples !== undefined && sampleRateHz !== undefined) {
    const durationS = blockSamples / sampleRateHz;
    if (durationS < window.minDurationS)
      differ('window', `at least ${window.minDurationS} s`, `${Number(durationS.toPrecision(3))} s`);
  }

  const offered = new Set(offer.features);
  const wanted = new Set(featuresOf(inputs));
  if (output.kind === 'forecast') wanted.add(output.feature);
  const missing = [...wanted].filter((feature) => !offered.has(feature));
  if (missing.length > 0) differ('features', `${wanted.size} features`, `${LACKS}${missing.join(', ')}`);
  if (inputs.kind === 'block' || inputs.kind === 'spectrogram')
    differAsSamples(inputs, signal, offer, differ);
  return differences;
}

/** A filter bank made for another rate is another one: this much, relative, is the tolerance of a sensor's clock. */
const RATE_TOLERANCE = 0.01;

/** What a model that takes samples itself needs above all others: rate, length and unit have to be known. */
function differAsSamples(
  inputs: Extract<ModelInputs, { kind: 'block' | 'spectrogram' }>,
  signal: ModelManifest['signal'],
  { sampleRateHz, blockSamples, unit }: PointOffer,
  differ: (field: Difference['field'], expected: string, actual: string) => void,
): void {
  if (sampleRateHz === undefined)
    differ('sampleRateHz', `${signal.sampleRateHz!.min} to ${signal.sampleRateHz!.max} Hz`, 'none');
  else if (inputs.kind === 'spectrogram') {
    const wantedHz = inputs.mel.sampleRateHz;
    if (Math.abs(sampleRateHz - wantedHz) > RATE_TOLERANCE * wantedHz)
      differ('sampleRateHz', `${wantedHz} Hz, as its mel bands`, `${sampleRateHz} Hz`);
  }
  if (blockSamples === undefined) differ('window', `at least ${inputs.samples} samples`, 'no samples');
  else if (blockSamples < inputs.samples)
    differ('window', `at least ${inputs.samples} samples`, `${blockSamples} samples`);
  if (signal.unit !== undefined && unit === undefined) differ('unit', signal.unit, 'none');
}

/** One sentence for the technician. */
export const describeDifferences = (differences: readonly Difference[]): string =>
  differences
    .map(
      ({ field, expected, actual }) =>
        `${field}: needs ${expected}, ${actual.startsWith(LACKS) ? actual : `has ${actual}`}`,
    )
    .join('; ');

/** The refusal as an error, for a command that asked for this very model. */
export function incompatible(manifest: ModelManifest, differences: readonly Difference[]): SmEdgeError {
  return new SmEdgeError(
    'MODEL_INPUTS',
    `${modelKey(manifest)} does not fit: ${describeDifferences(differences)}`,
    {
      hint: 'Choose a model trained for this signal, or leave the point to its baseline.',
      details: { differences },
    },
  );
}

import { seededRandom } from '../../base/random.js';
import { type ModelManifest, modelManifestSchema } from '../manifest.js';
import { BUILTIN_MODEL } from '../selection.js';
import { healthyFeatures } from './feature-table.js';
import { fileEntry, histogramOf, significant } from './manifest-parts.js';
import {
  contributionsOf,
  fitOneSidedModel,
  type InputFeature,
  oneSidedGraph,
  scoreOf,
} from './one-sided-model.js';

/**
 * Levels and shapes that every acceleration point above 10 kHz has, told or not told its speed and bearing. Spectral
 * kurtosis stays out: a maximum over a hundred bands, it is high on sound machines too, and says something only
 * against the machine's own past (the baseline) or with the bearing's frequencies (the diagnosis).
 */
const INPUTS: readonly InputFeature[] = [
  'rms',
  'velocityRmsMmPerS',
  'kurtosis',
  'crestFactor',
  'clearanceFactor',
  'band.1000-2500.rms',
  'band.2500-5000.rms',
].map((name) => ({ name, offset: 0 }));

const SEED = 20816;
const FALSE_ALARM_PROBABILITY = 1e-3;
const GOLDEN_VECTORS = 8;

export interface BundledModel {
  readonly model: Uint8Array;
  readonly manifest: ModelManifest;
}

/** Trains `vibration-anomaly/1`; the same number of machines gives the same bytes. */
export async function trainBundledModel(machines = 1200): Promise<BundledModel> {
  const all = await healthyFeatures(seededRandom(SEED), machines, 1);
  // The threshold is set on machines that the scaler has not seen; a tail needs more of them than a median does.
  const third = Math.floor(machines / 3);
  const rows = all.slice(0, third);
  const holdOut = all.slice(third);
  const fitted = fitOneSidedModel(INPUTS, rows, holdOut, FALSE_ALARM_PROBABILITY);
  const model = oneSidedGraph(fitted);

  const features = [...fitted.features];
  const base = features.map((_, j) =>
    significant(rows.reduce((sum, row) => sum + contributionsOf(fitted, row)[j]!, 0) / rows.length),
  );
  const golden = Array.from({ length: GOLDEN_VECTORS }, (_, i) => {
    const row = holdOut[Math.floor((i * holdOut.length) / GOLDEN_VECTORS)]!;
    const input = features.map((feature) => significant(row[feature]!));
    const rounded = Object.fromEntries(features.map((feature, j) => [feature, input[j]!]));
    return { input, output: significant(scoreOf(fitted, rounded)) };
  });
  const manifest = modelManifestSchema.parse({
    format: 'sm-edge-model/1',
    name: BUILTIN_MODEL,
    version: '1',
    title: 'Vibration that is louder or more impulsive than that of healthy machines',
    task: 'anomaly',
    signal: {
      quantities: ['acceleration', 'acceleration-x', 'acceleration-y', 'acceleration-z', 'vibration'],
      unit: 'g',
      sampleRateHz: { min: 10_000, max: 51_200 },
      window: { minDurationS: 0.5 },
    },
    inputs: { kind: 'features', tensor: 'features', features },
    scaler: { kind: 'in-graph' },
    output: {
      tensor: 'score',
      meaning:
        'Sum of the squared upper deviations of the features from those of healthy machines; 1 is the limit.',
      anomalous: 'above',
      contributions: { tensor: 'contributions', base },
    },
    threshold: {
      value: 1,
      method:
        'Generalised Pareto distribution fitted to the largest 5 % of the scores of healthy synthetic machines that were held out; the score is scaled so that the limit is 1.',
      falseAlarmProbability: FALSE_ALARM_PROBABILITY,
    },
    training: {
      data: `Synthetic: ${machines} healthy machines drawn by src/scoring/training/healthy-machine.ts (seed ${SEED}), one block each; ${holdOut.length} of them are held out for the threshold. No recording of a real machine was used.`,
      terms: 'Synthetic; no third-party data.',
      samples: rows.length,
      script: 'node scripts/train-bundled-models.js',
      histograms: Object.fromEntries(features.map((feature) => [feature, histogramOf(rows, feature)])),
    },
    golden: { tolerance: 1e-4, vectors: golden },
    file: fileEntry(model),
    licence: 'Apache-2.0',
  });
  return { model, manifest };
}

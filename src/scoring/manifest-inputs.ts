import { z } from 'zod';
import { featureName, MODEL_LIMITS, tensorName } from './manifest-parts.js';

/** What may go into a model: `inputs` of the manifest. */

const features = z
  .array(featureName())
  .min(1)
  .max(MODEL_LIMITS.features)
  .refine((names) => new Set(names).size === names.length, 'a feature is named twice')
  .describe('Feature names, in the order of the columns.');

const samples = z
  .number()
  .int()
  .min(1)
  .max(MODEL_LIMITS.samples)
  .describe('Samples of one block that goes in.');

const pieces = z
  .enum(['last', 'mean', 'max'])
  .default('last')
  .describe(
    'Where the window of the point is longer than `samples`: the last block of it alone, or all consecutive blocks of it (at most 64, the newest) with the mean of what they give, or with the one that is most anomalous.',
  );

const normalisation = z
  .enum(['none', 'mean', 'standard', 'peak'])
  .describe(
    'What is done to the samples of each block first. `none`; `mean`: less their mean; `standard`: less their mean, by their standard deviation (of the population); `peak`: by the largest magnitude. A block without any variation gives zeros.',
  );

const featuresInput = z.strictObject({
  kind: z.literal('features').describe('A row of features per block.'),
  tensor: tensorName('Name of the ONNX input: float32, [rows, features in order].'),
  features,
});

const sequenceInput = z.strictObject({
  kind: z.literal('sequence').describe('The last rows of features of the point, oldest first.'),
  tensor: tensorName('Name of the ONNX input: float32, [rows, steps, features in order].'),
  features,
  steps: z.number().int().min(2).max(MODEL_LIMITS.steps).describe('Rows of features that go in.'),
  intervalS: z
    .number()
    .positive()
    .max(86_400)
    .describe(
      'Seconds from one step to the next. Where two steps lie more than half of it nearer or farther, a step is missing and nothing is scored.',
    ),
});

const blockInput = z.strictObject({
  kind: z.literal('block').describe('Raw samples, in the unit of `signal.unit`.'),
  tensor: tensorName('Name of the ONNX input: float32, [rows, samples] or [rows, 1, samples].'),
  samples,
  normalisation,
  pieces,
});

const spectrogramInput = z.strictObject({
  kind: z.literal('spectrogram').describe('Log-mel image of raw samples, in dB.'),
  tensor: tensorName(
    'Name of the ONNX input: float32, [rows, frames, mels], [rows, 1, frames, mels], or with `layout: mels-frames` the other way round.',
  ),
  samples,
  normalisation,
  pieces,
  mel: z
    .strictObject({
      sampleRateHz: z.number().positive().describe('Sample rate of the filter bank, Hz.'),
      transformLength: z
        .number()
        .int()
        .min(32)
        .max(65_536)
        .refine((n) => (n & (n - 1)) === 0, 'must be a power of two')
        .describe('Points of one transform (`n_fft` and `win_length` of librosa; periodic Hann window).'),
      hop: z.number().int().min(1).max(65_536).describe('Samples from one frame to the next (`hop_length`).'),
      mels: z.number().int().min(1).max(512).describe('Mel bands (`n_mels`).'),
      lowHz: z.number().nonnegative().default(0).describe('Lower edge (`fmin`), Hz.'),
      highHz: z
        .number()
        .positive()
        .optional()
        .describe('Upper edge (`fmax`), Hz; half the sample rate where missing.'),
      scale: z.enum(['slaney', 'htk']).default('slaney').describe('`htk=False` or `htk=True` of librosa.'),
      norm: z.enum(['slaney', 'none']).default('slaney').describe('`norm` of librosa.'),
      centre: z.boolean().default(true).describe('`center` of librosa, padded with zeros.'),
    })
    .describe('Parameters of the image, as of `librosa.feature.melspectrogram` and `librosa.power_to_db`.'),
  layout: z
    .enum(['frames-mels', 'mels-frames'])
    .default('frames-mels')
    .describe('Order of the last two axes.'),
  level: z
    .enum(['kept', 'removed', 'standard'])
    .default('kept')
    .describe(
      'What is done to the image: nothing; less its mean in dB; less its mean, by its standard deviation.',
    ),
});

export const inputsSchema = z
  .discriminatedUnion('kind', [featuresInput, sequenceInput, blockInput, spectrogramInput])
  .describe('What goes in.');

export type ModelInputs = z.infer<typeof inputsSchema>;
export type SpectrogramInputs = Extract<ModelInputs, { kind: 'spectrogram' }>;

/** Features that a model asks a point for; none where it takes samples. */
export const featuresOf = (inputs: ModelInputs): readonly string[] =>
  inputs.kind === 'features' || inputs.kind === 'sequence' ? inputs.features : [];

/** Frames of the image of one block. */
export function framesOf({ samples: length, mel }: SpectrogramInputs): number {
  const whole = mel.centre ? length : length - mel.transformLength;
  return Math.max(0, 1 + Math.floor(whole / mel.hop));
}

/** Numbers that go in for one row before anything is done to them: what a golden input holds. */
export function rawWidthOf(inputs: ModelInputs): number {
  switch (inputs.kind) {
    case 'features':
      return inputs.features.length;
    case 'sequence':
      return inputs.steps * inputs.features.length;
    default:
      return inputs.samples;
  }
}

/** Numbers of one row as the graph gets them. */
export const fedWidthOf = (inputs: ModelInputs): number =>
  inputs.kind === 'spectrogram' ? framesOf(inputs) * inputs.mel.mels : rawWidthOf(inputs);

/** Values that `scaler` may give: one per feature, one for all samples, or one per mel band. */
export function scalerWidthsOf(inputs: ModelInputs): readonly number[] {
  switch (inputs.kind) {
    case 'block':
      return [1];
    case 'spectrogram':
      return inputs.mel.mels === 1 ? [1] : [1, inputs.mel.mels];
    default:
      return [inputs.features.length];
  }
}

/** By what a score of a model can be split: its features, or the mel bands of its image. */
export const explainedBy = (inputs: ModelInputs): readonly string[] =>
  inputs.kind === 'spectrogram'
    ? Array.from({ length: inputs.mel.mels }, (_, k) => `mel.${k}`)
    : featuresOf(inputs);

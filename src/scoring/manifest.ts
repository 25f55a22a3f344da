import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';

/** Limits on what a model may bring: a gateway has 1 GB of memory, and a manifest is read whole. */
export const MODEL_LIMITS = {
  manifestBytes: 4 * 2 ** 20,
  modelBytes: 64 * 2 ** 20,
  features: 1024,
  goldenVectors: 256,
  histogramBins: 64,
} as const;

const finite = () => z.number().refine(Number.isFinite, 'must be a finite number');

export const modelName = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
      'use letters, digits, "-" and "_" (at most 64), starting with a letter or digit',
    );

export const modelVersion = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/,
      'use letters, digits, ".", "-" and "_" (at most 32), starting with a letter or digit',
    );

const featureName = () => z.string().min(1).max(100);

const histogram = z
  .strictObject({
    edges: z
      .array(finite())
      .min(1)
      .max(MODEL_LIMITS.histogramBins)
      .describe('Inner bin edges, ascending; the first and the last bin are open.'),
    counts: z
      .array(z.number().int().nonnegative())
      .describe('Training samples per bin: one more than there are edges.'),
  })
  .superRefine(({ edges, counts }, context) => {
    if (counts.length !== edges.length + 1)
      context.addIssue({
        code: 'custom',
        message: `${edges.length} edges need ${edges.length + 1} counts, not ${counts.length}`,
      });
    if (edges.some((edge, i) => i > 0 && edge <= edges[i - 1]!))
      context.addIssue({ code: 'custom', message: 'edges must ascend' });
  });

/** What `manifest.json` beside a model says. Written by whoever trained the model, read by every gateway. */
export const modelManifestSchema = z
  .strictObject({
    format: z.literal('sm-edge-model/1').describe('Form of this file.'),
    name: modelName().describe('Name of the model, as registered in MLflow.'),
    version: modelVersion().describe('Version; a version never changes once it is out.'),
    title: z.string().max(200).optional().describe('One line for people.'),
    task: z.enum(['anomaly', 'classification', 'forecast']).describe('What the model is for.'),
    signal: z
      .strictObject({
        quantities: z
          .array(z.string().min(1).max(64))
          .min(1)
          .max(16)
          .describe('Quantities of the points it may score, such as acceleration.'),
        unit: z
          .string()
          .max(32)
          .optional()
          .describe('Unit of the samples the features were made of; left out where no input depends on it.'),
        sampleRateHz: z
          .strictObject({ min: z.number().positive(), max: z.number().positive() })
          .refine(({ min, max }) => min <= max, 'min must not exceed max')
          .optional()
          .describe('Sample rates it may score, in Hz.'),
        window: z
          .strictObject({
            minSamples: z.number().int().positive().optional(),
            minDurationS: z.number().positive().optional(),
          })
          .optional()
          .describe('Shortest block that gives usable features.'),
      })
      .describe('Which signals it may score; any other is refused with the difference.'),
    inputs: z
      .strictObject({
        kind: z.literal('features').describe('A row of features per block.'),
        tensor: z
          .string()
          .min(1)
          .max(200)
          .describe('Name of the ONNX input: float32, [rows, features in order].'),
        features: z
          .array(featureName())
          .min(1)
          .max(MODEL_LIMITS.features)
          .refine((names) => new Set(names).size === names.length, 'a feature is named twice')
          .describe('Feature names, in the order of the columns.'),
      })
      .describe('What goes in.'),
    scaler: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('in-graph') }),
        z.strictObject({
          kind: z.literal('affine'),
          center: z.array(finite()),
          scale: z.array(finite().refine((value) => value > 0, 'a scale must be above 0')),
        }),
      ])
      .describe('`in-graph`: the ONNX graph scales. `affine`: the gateway feeds (x - center) / scale.'),
    output: z
      .strictObject({
        tensor: z
          .string()
          .min(1)
          .max(200)
          .describe('Name of the ONNX output: float32, [rows] or [rows, columns].'),
        column: z.number().int().min(0).max(4096).default(0).describe('Column that holds the score.'),
        meaning: z.string().min(1).max(500).describe('What the number says, for people.'),
        anomalous: z.enum(['above', 'below']).describe('On which side of the threshold lies the anomaly.'),
        contributions: z
          .strictObject({
            tensor: z
              .string()
              .min(1)
              .max(200)
              .describe('Name of the ONNX output: float32, [rows, features].'),
            base: z.array(finite()).describe('Its mean over the training data, per feature.'),
          })
          .optional()
          .describe('The share of each feature in the score, where the graph states it.'),
      })
      .describe('What comes out.'),
    threshold: z
      .strictObject({
        value: finite().describe('In the unit of the output.'),
        method: z.string().min(1).max(1000).describe('How it was set.'),
        falseAlarmProbability: z
          .number()
          .min(0)
          .max(1)
          .optional()
          .describe('Per scored block of the training population.'),
      })
      .describe('From where on a score is anomalous.'),
    training: z
      .strictObject({
        data: z.string().min(1).max(2000).describe('What it was trained on.'),
        terms: z.string().min(1).max(500).describe('Terms under which those data are used.'),
        samples: z.number().int().nonnegative().describe('Rows used for training.'),
        script: z.string().max(300).optional().describe('What makes the same file again.'),
        histograms: z
          .record(featureName(), histogram)
          .default({})
          .describe('Distribution of each input over the training data: drift is measured against it.'),
      })
      .describe('Where it comes from.'),
    golden: z
      .strictObject({
        tolerance: z
          .number()
          .positive()
          .max(0.1)
          .default(1e-4)
          .describe('Largest difference, relative to the larger of 1 and the expected output.'),
        vectors: z
          .array(z.strictObject({ input: z.array(finite()), output: finite() }))
          .min(1)
          .max(MODEL_LIMITS.goldenVectors)
          .describe('Inputs before the scaler and the raw output they must give on this gateway.'),
      })
      .describe('Checked on the gateway before the model is let in.'),
    file: z
      .strictObject({
        name: z.literal('model.onnx'),
        sizeBytes: z.number().int().positive().max(MODEL_LIMITS.modelBytes),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits'),
      })
      .describe('The model file beside the manifest.'),
    licence: z.string().min(1).max(200).describe('Licence of the model (SPDX id where there is one).'),
    lineage: z
      .strictObject({
        mlflowRunId: z.string().max(64).optional(),
        parentVersion: modelVersion().optional(),
        createdAt: z.string().max(40).optional().describe('ISO 8601.'),
        author: z.string().max(200).optional(),
      })
      .default({})
      .describe('What it descends from.'),
  })
  .superRefine((manifest, context) => {
    const base = manifest.output.contributions?.base;
    const width = manifest.inputs.features.length;
    const wrong = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    if (manifest.scaler.kind === 'affine') {
      for (const key of ['center', 'scale'] as const)
        if (manifest.scaler[key].length !== width)
          wrong(['scaler', key], `has ${manifest.scaler[key].length} values for ${width} features`);
    }
    if (base !== undefined && base.length !== width)
      wrong(['output', 'contributions', 'base'], `has ${base.length} values for ${width} features`);
    manifest.golden.vectors.forEach(({ input }, i) => {
      if (input.length !== width)
        wrong(['golden', 'vectors', i, 'input'], `has ${input.length} values for ${width} features`);
    });
    for (const feature of Object.keys(manifest.training.histograms))
      if (!manifest.inputs.features.includes(feature))
        wrong(['training', 'histograms', feature], 'is no input of this model');
  });

export type ModelManifest = z.infer<typeof modelManifestSchema>;

/** Parses the text of a manifest.json; throws `MODEL_MANIFEST` naming each fault by its path. */
export function parseManifest(text: string): ModelManifest {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new SmEdgeError('MODEL_MANIFEST', `manifest.json is not JSON: ${(cause as Error).message}`, {
      hint: 'Register the model again with a manifest written as docs/models.md shows.',
      cause,
    });
  }
  const parsed = modelManifestSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues
    .slice(0, 8)
    .map((issue) => `${issue.path.map(String).join('.') || '(top)'}: ${issue.message}`);
  throw new SmEdgeError('MODEL_MANIFEST', `manifest.json does not hold: ${faults.join('; ')}`, {
    hint: 'Correct these keys in manifest.json (docs/models.md lists them) and register a new version.',
    details: { faults },
  });
}

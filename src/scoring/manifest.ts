import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import { contradictions } from './manifest-consistency.js';
import { inputsSchema } from './manifest-inputs.js';
import { outputSchema } from './manifest-output.js';
import { featureName, finite, histogram, MODEL_LIMITS } from './manifest-parts.js';
import { learnedStatesSchema, stateThresholdsSchema } from './manifest-states.js';

export { MODEL_LIMITS } from './manifest-parts.js';

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
    inputs: inputsSchema,
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
    output: outputSchema,
    threshold: z
      .strictObject({
        value: finite().describe('In the unit of the output.'),
        method: z.string().min(1).max(1000).describe('How it was set.'),
        falseAlarmProbability: z
          .number()
          .min(0)
          .max(1)
          .optional()
          .describe('Per scored block of the training population, over all operating states together.'),
        states: stateThresholdsSchema().optional(),
      })
      .describe('From where on a score is anomalous.'),
    training: z
      .strictObject({
        data: z.string().min(1).max(2000).describe('What it was trained on.'),
        terms: z.string().min(1).max(500).describe('Terms under which those data are used.'),
        samples: z.number().int().nonnegative().describe('Rows used for training.'),
        script: z.string().max(300).optional().describe('What makes the same file again.'),
        histograms: z
          .record(featureName(), histogram())
          .default({})
          .describe('Distribution of each input over the training data: drift is measured against it.'),
        states: learnedStatesSchema().optional(),
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
          .array(z.strictObject({ input: z.array(finite()), output: z.union([finite(), z.array(finite())]) }))
          .min(1)
          .max(MODEL_LIMITS.goldenVectors)
          .describe(
            'Inputs before normalisation and scaler (a sequence step by step, an image as its samples), and what they must give on this gateway: the raw score, the probabilities in the order of the labels, the mean square of the error of a reconstruction, or [expected, lower, upper] of a forecast.',
          ),
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
    for (const { path, message } of contradictions(manifest))
      context.addIssue({ code: 'custom', path, message });
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

import { z } from 'zod';
import { featureName, finite, MODEL_LIMITS, tensorName } from './manifest-parts.js';

/** What may come out of a model: `output` of the manifest. */

const meaning = z.string().min(1).max(500).describe('What the number says, for people.');
const above = z.literal('above').optional().describe('Always above: a higher score is more anomalous.');
const column = () => z.number().int().min(0).max(4096);

const scoreOutput = z.strictObject({
  kind: z.literal('score').optional().describe('The score itself.'),
  tensor: tensorName('Name of the ONNX output: float32, [rows] or [rows, columns].'),
  column: column().default(0).describe('Column that holds the score.'),
  meaning,
  anomalous: z.enum(['above', 'below']).describe('On which side of the threshold lies the anomaly.'),
  contributions: z
    .strictObject({
      tensor: tensorName('Name of the ONNX output: float32, [rows, features].'),
      base: z.array(finite()).describe('Its mean over the training data, per feature.'),
    })
    .optional()
    .describe('The share of each feature in the score, where the graph states it.'),
});

const classesOutput = z
  .strictObject({
    kind: z
      .literal('classes')
      .describe('Probabilities of named classes. The score is 1 less the probability of the healthy ones.'),
    tensor: tensorName(
      'Name of the ONNX output: float32, [rows, classes]; with two classes also [rows] or [rows, 1], the probability of the second.',
    ),
    labels: z
      .array(z.string().min(1).max(64))
      .min(2)
      .max(MODEL_LIMITS.labels)
      .refine((names) => new Set(names).size === names.length, 'a label is named twice')
      .describe('Names of the classes, in the order of the columns.'),
    healthy: z.array(z.string().min(1).max(64)).min(1).describe('Labels of a machine without a fault.'),
    activation: z
      .enum(['none', 'softmax', 'sigmoid'])
      .default('none')
      .describe('What makes probabilities of what the graph gives: it gives them itself, or logits.'),
    meaning,
    anomalous: above,
  })
  .superRefine(({ labels, healthy, activation }, context) => {
    const wrong = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    for (const label of healthy)
      if (!labels.includes(label)) wrong('healthy', `${label} is no label of this model`);
    if (new Set(healthy).size >= labels.length) wrong('healthy', 'at least one label must be a fault');
    if (activation === 'sigmoid' && labels.length !== 2)
      wrong('activation', `sigmoid is for two labels, not ${labels.length}`);
  });

const reconstructionOutput = z.strictObject({
  kind: z
    .literal('reconstruction')
    .describe('What went in, as the model rebuilds it. The score is the mean square of the error.'),
  tensor: tensorName('Name of the ONNX output: float32, as many values a row as the input has.'),
  space: z
    .enum(['scaled', 'raw'])
    .describe(
      'Where the error is taken. `scaled`: the output is in the space of what went into the graph. `raw`: it is in the unit of the input before `scaler`.',
    ),
  base: z
    .array(finite())
    .optional()
    .describe(
      'Mean share of each feature (mel band) in the score over the training data; zeros where missing.',
    ),
  meaning,
  anomalous: above,
});

const bound = (what: string) =>
  z.strictObject({
    tensor: tensorName(`Name of the ONNX output that holds the ${what}.`),
    column: column().default(0),
  });

const forecastOutput = z.strictObject({
  kind: z
    .literal('forecast')
    .describe(
      'What one feature will be, with an interval. The score says how far the value that then came lies outside: 0 at a bound, negative inside, 1 a whole width of the interval outside.',
    ),
  feature: featureName().describe('Feature that is forecast.'),
  horizon: z.number().int().min(1).max(MODEL_LIMITS.steps).describe('Steps from the last one that goes in.'),
  tensor: tensorName('Name of the ONNX output: float32, [rows] or [rows, columns]: the expected value.'),
  column: column().default(0).describe('Column that holds the expected value.'),
  lower: bound('lower bound'),
  upper: bound('upper bound'),
  meaning,
  anomalous: above,
});

export const outputSchema = z
  .discriminatedUnion('kind', [scoreOutput, classesOutput, reconstructionOutput, forecastOutput])
  .describe('What comes out.');

export type ModelOutput = z.infer<typeof outputSchema>;

/** On which side of the threshold of the manifest the anomaly lies. */
export const anomalousSideOf = (output: ModelOutput): 'above' | 'below' => output.anomalous ?? 'above';

/** Numbers that come out for one row: what a golden output holds. */
export function outputWidthOf(output: ModelOutput): number {
  switch (output.kind) {
    case 'classes':
      return output.labels.length;
    case 'forecast':
      return 3;
    default:
      return 1;
  }
}

/** Every tensor of the graph that is read. */
export function tensorsOf(output: ModelOutput): readonly string[] {
  switch (output.kind) {
    case 'classes':
    case 'reconstruction':
      return [output.tensor];
    case 'forecast':
      return [...new Set([output.tensor, output.lower.tensor, output.upper.tensor])];
    default:
      return output.contributions === undefined
        ? [output.tensor]
        : [output.tensor, output.contributions.tensor];
  }
}

/** Can the score be split by what went in without asking the model again and again? */
export const hasShares = (output: ModelOutput): boolean =>
  output.kind === 'reconstruction' ||
  ((output.kind === 'score' || output.kind === undefined) && output.contributions !== undefined);

/** Mean share of each input in the score over the training data. @param width of `explainedBy` */
export function shareBase(output: ModelOutput, width: number): readonly number[] {
  const stated =
    output.kind === 'reconstruction'
      ? output.base
      : output.kind === 'score' || output.kind === undefined
        ? output.contributions?.base
        : undefined;
  return stated ?? new Array<number>(width).fill(0);
}

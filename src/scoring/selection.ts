import { z } from 'zod';
import { compatibility, type Difference, describeDifferences, type PointOffer } from './compatibility.js';
import { COMBINATIONS, type Combination } from './ensemble.js';
import type { StoredModel } from './model-store.js';

/** The anomaly model that comes with the package. */
export const BUILTIN_MODEL = 'vibration-anomaly';

const modelReference = () =>
  z
    .string()
    .max(100)
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,31})?$/,
      'name a model as NAME (its version in use) or NAME/VERSION',
    );

/** Models of one point: one, or several whose scores are combined. */
const MOST_MEMBERS = 8;
const modelsReference = () => z.union([modelReference(), z.array(modelReference()).min(1).max(MOST_MEMBERS)]);

const combination = () => z.enum(COMBINATIONS);

/** Which points a model is for; what is left out matches every point. */
export const modelScopeSchema = z.strictObject({
  class: z.string().min(1).max(64).optional().describe('Class of the machine, such as pump.'),
  quantity: z.string().min(1).max(64).optional().describe('Quantity of the point, such as acceleration.'),
  sensor: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Kind of sensor (machines[].sensors), such as piezo.'),
  tags: z
    .array(z.string().min(1).max(64))
    .min(1)
    .max(16)
    .optional()
    .describe('Tags of the machine or of the sensor; all of them have to be there.'),
  point: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Name of the point; `*` stands for any run of characters.'),
});

export type ModelScope = z.infer<typeof modelScopeSchema>;

/** The `models:` section of the config. */
export const modelsConfigSchema = z
  .strictObject({
    default: z
      .union([z.literal('builtin'), z.literal('none'), modelsReference()])
      .default('builtin')
      .describe(
        'Model of the points that no rule names: builtin, none (baselines alone), a model, or a list of models.',
      ),
    points: z
      .record(z.string().max(200), z.union([z.literal('none'), modelsReference()]))
      .default({})
      .describe('Model of one point, or a list of them, by its full name. Comes before every rule.'),
    rules: z
      .array(
        z.strictObject({
          model: modelsReference().describe('Model to use where the rule matches, or a list of models.'),
          combine: combination()
            .optional()
            .describe('How several models are combined; as models.combine if missing.'),
          for: modelScopeSchema.describe('Where it matches.'),
        }),
      )
      .max(200)
      .default([])
      .describe('The first rule that matches a point decides.'),
    combine: combination()
      .default('max')
      .describe(
        'How several models of a point become one score: the most anomalous, the mean, a majority, or the mean weighted by how often each was right (labels).',
      ),
  })
  .prefault({});

export type ModelsConfig = z.infer<typeof modelsConfigSchema>;

/** A point that needs a model. */
export interface SelectionTarget extends PointOffer {
  readonly point: string;
  readonly machineClass?: string;
  readonly sensor?: string;
  readonly tags?: readonly string[];
}

/** The model of a point, or why it is left to its baseline. */
export type ModelChoice =
  | { readonly model: StoredModel; readonly reason: string }
  | { readonly model: undefined; readonly reason: string; readonly differences?: readonly Difference[] };

/** Models that may be used: the version in use by NAME, and every version by NAME/VERSION. */
export type ModelCatalogue = ReadonlyMap<string, StoredModel>;

/** A catalogue in which `inUse` (NAME → VERSION) names the versions in use, and the newest is used elsewhere. */
export function catalogueOf(
  models: readonly StoredModel[],
  inUse: ReadonlyMap<string, string> = new Map(),
): ModelCatalogue {
  const catalogue = new Map<string, StoredModel>();
  for (const model of models) {
    catalogue.set(model.key, model);
    const pinned = inUse.get(model.name);
    // `models` comes sorted: the last one of a name is its newest version.
    if (pinned === undefined || pinned === model.version) catalogue.set(model.name, model);
  }
  return catalogue;
}

/** The models of a point, in the order in which they are named, and how their scores become one. */
export interface ModelSelection {
  readonly members: readonly ModelChoice[];
  readonly combine: Combination;
}

/**
 * Which models score a point: those named for it, else those of the first matching rule, else the default. A model that
 * does not fit is refused with the exact differences: no other one takes its place unseen. The others of a list speak
 * without it; where none is left, the point is left to its baseline.
 */
export function selectModels(
  target: SelectionTarget,
  config: ModelsConfig,
  catalogue: ModelCatalogue,
): ModelSelection {
  const { references, because, combine = config.combine } = named(target, config);
  return { members: references.map((reference) => chosen(reference, because, target, catalogue)), combine };
}

/** The first of the models of a point. */
export const selectModel = (
  target: SelectionTarget,
  config: ModelsConfig,
  catalogue: ModelCatalogue,
): ModelChoice => selectModels(target, config, catalogue).members[0]!;

function chosen(
  reference: string,
  because: string,
  target: SelectionTarget,
  catalogue: ModelCatalogue,
): ModelChoice {
  if (reference === 'none') return { model: undefined, reason: `no model is wanted (${because})` };
  const model = catalogue.get(reference);
  if (model === undefined)
    return { model: undefined, reason: `the model ${reference} is not here (${because})` };
  const differences = compatibility(model.manifest, target);
  if (differences.length === 0) return { model, reason: because };
  return {
    model: undefined,
    reason: `${model.key} does not fit (${because}): ${describeDifferences(differences)}`,
    differences,
  };
}

/** The models that a key of the config names; `builtin` by its own name. */
export const referencesOf = (wish: string | readonly string[]): string[] => [
  ...new Set((typeof wish === 'string' ? [wish] : wish).map((of) => (of === 'builtin' ? BUILTIN_MODEL : of))),
];

function named(
  target: SelectionTarget,
  config: ModelsConfig,
): { references: string[]; because: string; combine?: Combination | undefined } {
  const explicit = config.points[target.point];
  if (explicit !== undefined) return { references: referencesOf(explicit), because: 'named for the point' };
  const rule = config.rules.find(({ for: scope }) => matches(scope, target));
  if (rule !== undefined)
    return {
      references: referencesOf(rule.model),
      because: `rule ${describeScope(rule.for)}`,
      combine: rule.combine,
    };
  return { references: referencesOf(config.default), because: `default ${config.default}` };
}

/** Does a rule's scope take in this point? */
export function matches(scope: ModelScope, target: SelectionTarget): boolean {
  return (
    (scope.class === undefined || scope.class === target.machineClass) &&
    (scope.quantity === undefined || scope.quantity === target.quantity) &&
    (scope.sensor === undefined || scope.sensor === target.sensor) &&
    (scope.tags === undefined || scope.tags.every((tag) => target.tags?.includes(tag))) &&
    (scope.point === undefined || wildcard(scope.point, target.point))
  );
}

const wildcard = (pattern: string, text: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  ).test(text);

const describeScope = (scope: ModelScope): string =>
  Object.entries(scope)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ') || 'for all';

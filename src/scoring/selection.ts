import { z } from 'zod';
import { compatibility, type Difference, describeDifferences, type PointOffer } from './compatibility.js';
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

/** Which points a model is for; what is left out matches every point. */
export const modelScopeSchema = z.strictObject({
  class: z.string().min(1).max(64).optional().describe('Class of the machine, such as pump.'),
  quantity: z.string().min(1).max(64).optional().describe('Quantity of the point, such as acceleration.'),
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
      .union([z.literal('builtin'), z.literal('none'), modelReference()])
      .default('builtin')
      .describe('Model of the points that no rule names: builtin, none (baselines alone) or a model.'),
    points: z
      .record(z.string().max(200), z.union([z.literal('none'), modelReference()]))
      .default({})
      .describe('Model of one point, by its full name. Comes before every rule.'),
    rules: z
      .array(
        z.strictObject({
          model: modelReference().describe('Model to use where the rule matches.'),
          for: modelScopeSchema.describe('Where it matches.'),
        }),
      )
      .max(200)
      .default([])
      .describe('The first rule that matches a point decides.'),
  })
  .prefault({});

export type ModelsConfig = z.infer<typeof modelsConfigSchema>;

/** A point that needs a model. */
export interface SelectionTarget extends PointOffer {
  readonly point: string;
  readonly machineClass?: string;
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

/**
 * Which model scores a point: the one named for it, else that of the first matching rule, else the default. A model that does not fit
 * is refused with the exact differences, and the point is left to its baseline: no other model takes its place unseen.
 */
export function selectModel(
  target: SelectionTarget,
  config: ModelsConfig,
  catalogue: ModelCatalogue,
): ModelChoice {
  const { reference, because } = named(target, config);
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

function named(target: SelectionTarget, config: ModelsConfig): { reference: string; because: string } {
  const explicit = config.points[target.point];
  if (explicit !== undefined) return { reference: explicit, because: 'named for the point' };
  const rule = config.rules.find(({ for: scope }) => matches(scope, target));
  if (rule !== undefined) return { reference: rule.model, because: `rule ${describeScope(rule.for)}` };
  return {
    reference: config.default === 'builtin' ? BUILTIN_MODEL : config.default,
    because: `default ${config.default}`,
  };
}

/** Does a rule's scope take in this point? */
export function matches(scope: ModelScope, target: SelectionTarget): boolean {
  return (
    (scope.class === undefined || scope.class === target.machineClass) &&
    (scope.quantity === undefined || scope.quantity === target.quantity) &&
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

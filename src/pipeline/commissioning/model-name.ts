import { createHash } from 'node:crypto';
import type { StoredModel } from '../../scoring/model-store.js';

const MOST = 64;
const DIGEST = 8;

/** Name of the model that is learned of a point: its own name, as far as a model may bear it. */
export function modelNameOf(point: string, kind: 'learned' | 'faults' = 'learned'): string {
  const name = `${kind}-${point.replace(/[^A-Za-z0-9_-]/g, '-')}`;
  if (name.length <= MOST) return name;
  const digest = createHash('sha256').update(point).digest('hex').slice(0, DIGEST);
  return `${name.slice(0, MOST - DIGEST - 1)}-${digest}`;
}

/** Terms of what was learned here: a model with others came from elsewhere, whatever its name. */
export const OWN_DATA_TERMS = 'recorded by this gateway at the machine of its owner';

/** Whether a model was learned on this gateway. */
export const isLearnedHere = ({ name, version, origin, manifest }: StoredModel): boolean =>
  origin === 'local' &&
  /^(learned|faults)-/.test(name) &&
  /^[1-9]\d*$/.test(version) &&
  manifest.lineage.mlflowRunId === undefined &&
  manifest.training.terms === OWN_DATA_TERMS;

/** Versions of what is learned here are whole numbers. */
export function nextVersion({ models }: { readonly models: readonly StoredModel[] }, name: string): string {
  const numbers = models.filter((model) => model.name === name).map(({ version }) => Number(version) || 0);
  return String(Math.max(0, ...numbers) + 1);
}

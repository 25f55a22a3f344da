import { z } from 'zod';
import { exceedance } from './exceedance.js';
import { type MemberScore, type Said, type Score, saidIn } from './score.js';

/** How the scores of several models become one. */
export const COMBINATIONS = ['max', 'mean', 'vote', 'weighted'] as const;
export type Combination = (typeof COMBINATIONS)[number];

/** Name under which the score of several models is stored; its version is the combination. */
export const ENSEMBLE = 'ensemble';

/**
 * One score of several models. Scores of different models have nothing in common but their thresholds: they are
 * compared by their exceedance, 1 at the threshold, which is the threshold of the combined score too.
 * - `max`: as anomalous as the most anomalous. `mean`: the mean of all. `weighted`: the mean by weight.
 * - `vote`: anomalous where more than half of the models say so (twice the share of them).
 *
 * What classifications and forecasts among them say is carried on: see `said`.
 * @param members at least one
 * @param leftOut why other members do not speak
 */
export function combineScores(
  members: readonly Score[],
  combine: Combination,
  weightOf: (model: string) => number,
  leftOut: readonly string[] = [],
): Score {
  const weights = members.map(({ model }) => (combine === 'weighted' ? weightOf(model) : 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (of: (score: Score) => number) =>
    members.reduce((sum, score, i) => sum + weights[i]! * of(score), 0) / total;
  const score =
    combine === 'max'
      ? Math.max(...members.map(exceedance))
      : combine === 'vote'
        ? 2 * mean(({ anomalous }) => (anomalous ? 1 : 0))
        : mean(exceedance);
  return {
    model: ENSEMBLE,
    version: combine,
    score,
    threshold: 1,
    anomalous: score > 1,
    ...said(members, weights),
    members: members.map(
      (member, i): MemberScore => ({
        ...ownOf(member),
        ...saidIn(member),
        ...(combine === 'weighted' ? { weight: weights[i]! / total } : {}),
      }),
    ),
    ...(leftOut.length === 0 ? {} : { leftOut: leftOut.join('; ') }),
  };
}

const ownOf = ({ model, version, score, threshold, anomalous }: Score) => ({
  ...{ model, version, score, threshold, anomalous },
});

/**
 * What an ensemble says besides its score.
 * - Classifications with the same labels say one thing: the mean of their probabilities (by weight where they are
 *   weighted), and the most probable label by it.
 * - Those with other labels cannot be averaged: the one whose label is most certain speaks (probability times weight).
 *   Where two families of labels compete each counts with its largest.
 * - Of forecasts the one speaks that was missed by most.
 *
 * Models without labels have no say in them, and the label none in the score.
 */
function said(members: readonly Score[], weights: readonly number[]): Said & Pick<Score, 'saidBy'> {
  const speakers: string[] = [];
  const label = saidLabel(members, weights, speakers);
  const forecasts = members.filter(({ expected }) => expected !== undefined);
  const missed = forecasts.reduce<Score | undefined>(
    (most, of) => (most === undefined || exceedance(of) > exceedance(most) ? of : most),
    undefined,
  );
  if (missed !== undefined && !speakers.includes(missed.model)) speakers.push(missed.model);
  const { expected, lower, upper } = missed ?? {};
  const forecast = saidIn({
    ...(expected === undefined ? {} : { expected }),
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  });
  return speakers.length === 0 ? {} : { ...label, ...forecast, saidBy: speakers.join(', ') };
}

function saidLabel(
  members: readonly Score[],
  weights: readonly number[],
  speakers: string[],
): Pick<Said, 'label' | 'probabilities'> {
  const families = new Map<string, Family>();
  members.forEach(({ model, label, probabilities }, i) => {
    if (label === undefined || probabilities === undefined) return;
    const key = JSON.stringify(Object.keys(probabilities).sort());
    const family = families.get(key) ?? { models: [], weight: 0, certainty: 0, sums: {} };
    families.set(key, family);
    family.models.push(model);
    family.weight += weights[i]!;
    family.certainty = Math.max(family.certainty, weights[i]! * (probabilities[label] ?? 0));
    for (const [name, probability] of Object.entries(probabilities))
      family.sums[name] = (family.sums[name] ?? 0) + weights[i]! * probability;
  });
  const chosen = [...families.values()].reduce<Family | undefined>(
    (most, of) => (most === undefined || of.certainty > most.certainty ? of : most),
    undefined,
  );
  if (chosen === undefined) return {};
  speakers.push(...chosen.models);
  const means = Object.entries(chosen.sums).map(([name, sum]) => [name, sum / chosen.weight] as const);
  const [label] = means.reduce((most, of) => (of[1] > most[1] ? of : most));
  return { label, probabilities: Object.fromEntries(means) };
}

/** Classifications with the same labels. */
interface Family {
  readonly models: string[];
  weight: number;
  certainty: number;
  readonly sums: Record<string, number>;
}

const countsSchema = z.record(
  z.string().max(100),
  z.strictObject({ right: z.number().nonnegative(), wrong: z.number().nonnegative() }),
);

/** What counts before a model has any label: as many, half of them right. A few labels do not swing a weight. */
const PRIOR = 10;
const PRIOR_PRECISION = 0.5;
/** Labels after which older ones count half: a model that was retrained is judged anew. */
const MEMORY = 200;
const MAX_MODELS = 500;

/** How often each model was right when it called something anomalous, as people labelled it. */
export class ModelPrecision {
  readonly #counts = new Map<string, { right: number; wrong: number }>();
  #isChanged = false;

  /** Precision with its prior: (right + 5) / (all + 10). */
  weightOf = (model: string): number => {
    const { right, wrong } = this.#counts.get(model) ?? { right: 0, wrong: 0 };
    return (right + PRIOR * PRIOR_PRECISION) / (right + wrong + PRIOR);
  };

  /** A person called an alarm right or wrong that these models had called anomalous. */
  label(models: Iterable<string>, isRight: boolean): void {
    for (const model of models) {
      const counts = this.#counts.get(model) ?? { right: 0, wrong: 0 };
      if (!this.#counts.has(model) && this.#counts.size >= MAX_MODELS) continue;
      counts[isRight ? 'right' : 'wrong']++;
      if (counts.right + counts.wrong > MEMORY) {
        counts.right /= 2;
        counts.wrong /= 2;
      }
      this.#counts.set(model, counts);
      this.#isChanged = true;
    }
  }

  /** Takes up what was stored; what is none of it is left out. */
  restore(document: unknown): void {
    for (const [model, counts] of Object.entries(countsSchema.safeParse(document).data ?? {}))
      this.#counts.set(model, counts);
  }

  /** What changed since the last call, to be stored. */
  takeChanged(): unknown {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    return Object.fromEntries(this.#counts);
  }
}

export type { FeatureVector } from '../features/spec.js';

/** What a classification or a forecast says besides its score. */
export interface Said {
  /** Of a classification: the most probable label. */
  readonly label?: string;
  /** Of a classification: every label with its probability, 0 to 1. */
  readonly probabilities?: Readonly<Record<string, number>>;
  /** Of a forecast: what was expected of this moment, and the interval around it. */
  readonly expected?: number;
  readonly lower?: number;
  readonly upper?: number;
}

/** What one model of an ensemble says, and its share where they are weighted. */
export interface MemberScore extends Said {
  readonly model: string;
  readonly version: string;
  readonly score: number;
  readonly threshold: number;
  readonly anomalous: boolean;
  readonly weight?: number;
}

/** How anomalous one block or reading is. The higher the score, the more anomalous, whatever the model's own sign. */
export interface Score extends Said {
  /** Name of the model; `baseline` for the point's own statistics. */
  readonly model: string;
  readonly version: string;
  readonly score: number;
  readonly threshold: number;
  /** `score > threshold`. */
  readonly anomalous: boolean;
  /** Why the baseline speaks in place of a model; absent where the score is what was asked for. */
  readonly fallback?: string;
  /** Operating state of the machine, where it has more than one. */
  readonly state?: string;
  /** Of an ensemble: what its models say. */
  readonly members?: readonly MemberScore[];
  /** Of an ensemble: which of its models do not speak, and why. */
  readonly leftOut?: string;
  /** Model (or models) that said the label or the forecast, where it is not the one of the score. */
  readonly saidBy?: string;
}

/** What a classification or a forecast says besides its score; nothing for other models. */
export function saidIn({ label, probabilities, expected, lower, upper }: Said): Said {
  return {
    ...(label === undefined ? {} : { label }),
    ...(probabilities === undefined ? {} : { probabilities }),
    ...(expected === undefined ? {} : { expected }),
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  };
}

/** What is told of a score besides its number: what was said, by which models. */
export function besideScore(score: Score): Said & Pick<Score, 'saidBy' | 'members' | 'leftOut'> {
  const { saidBy, members, leftOut } = score;
  return {
    ...saidIn(score),
    ...(saidBy === undefined ? {} : { saidBy }),
    ...(members === undefined ? {} : { members }),
    ...(leftOut === undefined ? {} : { leftOut }),
  };
}

/**
 * The worst score of a window, with what a classification or forecast said of it: where the baseline is the worse one,
 * the label is wanted all the more.
 */
export function withWhatWasSaid(worst: Score, scores: readonly Score[]): Score {
  if (worst.label !== undefined || worst.expected !== undefined) return worst;
  const speaker = scores.find(({ label, expected }) => label !== undefined || expected !== undefined);
  if (speaker === undefined) return worst;
  return { ...worst, ...saidIn(speaker), saidBy: speaker.saidBy ?? speaker.model };
}

import type { Quality } from '../signals/quality.js';

export const RULES = [
  'persistence',
  'history',
  'neighbours',
  'models',
  'quality',
  'labels',
  'maintenance',
] as const;

/** What speaks for an anomaly being one, or against it. */
export interface ValidationReason {
  readonly rule: (typeof RULES)[number];
  /** Weight of evidence: added to the natural logarithm of the odds. */
  readonly weight: number;
  readonly text: string;
}

/** All that is known when an anomalous block is judged. */
export interface ValidationFacts {
  /** Anomalous blocks of this anomaly, this one included. */
  readonly blocks: number;
  /** What the blocks of this anomaly say together: the sum of `blockEvidence`. */
  readonly evidence: number;
  /** Share of the point's blocks that were as anomalous as this one for nothing, 0 to 1. */
  readonly habit: number;
  /** True while too little was seen of the point to know its habits. */
  readonly isNew: boolean;
  /** Other points of the machine that are unusual just now, and how many are watched. */
  readonly neighbours: { readonly anomalous: number; readonly watched: number };
  /** Models that scored the block, and how many of them called it anomalous. */
  readonly models: { readonly anomalous: number; readonly scored: number };
  /** Share of the newest values of the point that were not good, 0 to 1. */
  readonly notGood: number;
  /** What people called the last alarms of the point. */
  readonly labels: { readonly right: number; readonly wrong: number };
  /** Somebody works on the machine. */
  readonly maintenance: boolean;
}

export interface Validation {
  readonly confirmed: boolean;
  /** Probability that the anomaly is one, 0 to 1. */
  readonly confidence: number;
  readonly reasons: readonly ValidationReason[];
}

/** Log odds that an anomaly is one before anything is known of it. */
const PRIOR = -5;
/** Share of blocks in which a point with a fault is anomalous. */
const FAULTY = 0.7;
/** The evidence of an anomaly does not grow beyond this: what has ended is to be seen soon. */
export const MOST_EVIDENCE = 12;
/** Confidence from where on an anomaly may become an alarm. */
export const CONFIRM_FROM = 0.7;
/** What speaks against an anomaly, in sum at most: three blocks in a row of a quiet point are enough all the same. */
const MOST_DOUBT = 4.8;

/** What one block says for a fault, as a sequential test (Wald 1945) weighs it. @param habit of its strength, 0 to 1 */
export const blockEvidence = (anomalous: boolean, habit: number): number =>
  Math.log(anomalous ? FAULTY / habit : (1 - FAULTY) / (1 - habit));

/**
 * Weighs an anomalous block. A point that was quiet so far is believed at its second block, at its third where its data
 * are doubtful or people called the last alarms wrong. One that is often anomalous for nothing, or of which little is
 * known yet, has to stay so for longer, or be so more strongly than ever.
 */
export function validate(facts: ValidationFacts): Validation {
  const { blocks, evidence, habit, isNew, neighbours, models, notGood, labels, maintenance } = facts;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const reasons: ValidationReason[] = [
    {
      rule: 'persistence',
      weight: evidence,
      text: blocks === 1 ? 'one block was anomalous' : `${blocks} blocks were anomalous`,
    },
  ];
  const add = (rule: ValidationReason['rule'], weight: number, text: string) =>
    reasons.push({ rule, weight, text });
  // Its weight is in that of the blocks already.
  if (isNew) add('history', 0, 'little is known of this point yet');
  else if (habit > 0.05) add('history', 0, `this point is so in ${percent(habit)} of its blocks for nothing`);
  const { anomalous, watched } = neighbours;
  // One of many is chance; a quarter of them is agreement.
  if (anomalous > 0 && anomalous >= 0.25 * watched)
    add('neighbours', 2, `${anomalous} of ${watched} other points of the machine are unusual too`);
  if (models.scored > 1 && models.anomalous === models.scored)
    add('models', 1, `all ${models.scored} models agree`);
  const doubts: ValidationReason[] = [];
  const doubt = (rule: ValidationReason['rule'], weight: number, text: string) =>
    doubts.push({ rule, weight, text });
  if (models.anomalous < models.scored)
    doubt('models', -1, `only ${models.anomalous} of ${models.scored} models say so`);
  if (notGood > 0.1) doubt('quality', -3, `${percent(notGood)} of the newest values are not good`);
  if (labels.wrong > labels.right)
    doubt(
      'labels',
      -3,
      `people called ${labels.wrong} of the last ${labels.wrong + labels.right} alarms here wrong`,
    );
  if (maintenance) doubt('maintenance', -3, 'somebody works on the machine');
  const against = -doubts.reduce((sum, { weight }) => sum + weight, 0);
  const scale = against > MOST_DOUBT ? MOST_DOUBT / against : 1;
  for (const { rule, weight, text } of doubts) add(rule, weight * scale, text);
  const logOdds = reasons.reduce((sum, { weight }) => sum + weight, PRIOR);
  const confidence = 1 / (1 + Math.exp(-logOdds));
  return { confirmed: confidence >= CONFIRM_FROM, confidence, reasons };
}

/** The newest values weigh most: about twenty of them. */
export const notGoodShare = (before: number, quality: Quality): number =>
  before + ((quality === 'good' ? 0 : 1) - before) / 20;

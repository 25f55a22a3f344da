import {
  fitPopulation,
  judge,
  judgeHeldOut,
  LEAST_WINDOWS,
  type Population,
  type PopulationOptions,
} from '../../scoring/learning/population.js';
import type { Judged } from '../../scoring/learning/ranking.js';
import type { RecordedStates } from '../recordings/recorded-states.js';
import { type FitRule, isNormal } from './fit-rule.js';
import { statesOfSights, worstOfStates } from './population-states.js';
import type { EvaluationPart, RecordingResult } from './result.js';
import { type Sight, withoutWindows } from './sight.js';

/**
 * Recordings of one point at one sample rate: learned from the healthy ones, each of which is judged by the others. Where
 * the machine has operating states, windows are compared with those of the same state, and the worst state of a recording
 * counts.
 */
export function evaluatePopulation(
  sights: readonly Sight[],
  rule: FitRule,
  options: PopulationOptions,
  recorded: RecordedStates,
): EvaluationPart {
  const isLearned = isLearnedBy(rule);
  const states = statesOfSights(sights, isLearned, recorded);
  if (states === undefined) return evaluateOneState(sights, isLearned, options);
  return worstOfStates(sights, states, isLearned, (own) => evaluateOneState(own, isLearned, options));
}

/** Whether a recording is learned from. */
export const isLearnedBy =
  (rule: FitRule) =>
  ({ split, label }: Pick<Sight, 'split' | 'label'>): boolean =>
    rule === 'train' ? split === 'train' : isNormal(label);

/** Recordings in one operating state, or of a machine that has but one. */
function evaluateOneState(
  sights: readonly Sight[],
  isLearned: (sight: Sight) => boolean,
  options: PopulationOptions,
): EvaluationPart {
  const learned = sights.filter((sight) => isLearned(sight) && sight.windows.length > 0);
  const healthy = learned.map(({ windows }) => windows);
  const asked = sights.filter(({ borrowed }) => !borrowed);
  const windows = healthy.flat().length;
  if (windows < LEAST_WINDOWS) {
    const found = windows === 0 ? 'no healthy recording' : `${windows} healthy windows`;
    const remark = `${found} of ${sights[0]!.group} to learn from: at least ${LEAST_WINDOWS} windows are needed`;
    return { judged: [], detections: [], perRecording: asked.map((sight) => unjudged(sight, remark)) };
  }
  const population = fitPopulation(healthy, options);
  const perRecording = asked.map((sight) => judged(sight, learned.indexOf(sight)));
  return { judged: perRecording.flatMap(judgedOf), detections: [], perRecording };

  function judged(sight: Sight, place: number): RecordingResult {
    if (sight.windows.length === 0) return unjudged(sight, withoutWindows(sight));
    const { score } = verdictOf(population, sight, place);
    const { fault, confidence } = sight.diagnosis;
    // Physics is a witness of its own: it needs no healthy recording to know an outer race. What it also says of the
    // healthy recordings (a strong line at the shaft's speed) is how this machine is.
    const usual = learned.some((of) => of !== sight && of.diagnosis.fault === fault);
    const fused = score + (fault === 'normal' || fault === 'unknown' || usual ? 0 : confidence);
    return { ...unjudged(sight), score: fused, anomalous: fused > 1 };
  }

  function verdictOf(of: Population, sight: Sight, place: number) {
    return place < 0 ? judge(of, sight.windows) : judgeHeldOut(healthy, place, options);
  }
}

function unjudged({ file, point, label, diagnosis }: Sight, remark?: string): RecordingResult {
  return {
    ...{ file, point, label: label ?? null, score: null, threshold: 1, anomalous: null, diagnosis },
    ...(remark === undefined ? {} : { remark }),
  };
}

function judgedOf({ label, score, anomalous }: RecordingResult): Judged[] {
  if (label === null || score === null || anomalous === null) return [];
  return [{ score, anomalous, truth: !isNormal(label) }];
}

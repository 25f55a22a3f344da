import { type Diagnosis, diagnose } from '../../diagnosis/diagnose.js';
import type { FeatureVector } from '../../features/spec.js';
import {
  fitPopulation,
  judge,
  judgeHeldOut,
  LEAST_WINDOWS,
  type Population,
  type PopulationOptions,
} from '../../scoring/learning/population.js';
import type { Judged } from '../../scoring/learning/ranking.js';
import type { Recording } from '../../signals/recording-set.js';
import type { RecordingAnalysis } from '../recording-windows.js';
import { type FitRule, isNormal } from './fit-rule.js';
import type { EvaluationPart, RecordingResult } from './result.js';

/** What an evaluation keeps of a recording: its samples are let go. */
export interface Sight {
  readonly file: string;
  readonly point: string;
  /** Recordings of one group are compared with each other. */
  readonly group: string;
  readonly label: string | undefined;
  readonly split: 'train' | 'test' | undefined;
  readonly windows: readonly FeatureVector[];
  readonly diagnosis: Pick<Diagnosis, 'fault' | 'confidence'>;
}

export async function sightOf(recording: Recording, analysis: RecordingAnalysis): Promise<Sight> {
  const { file, point, sampleRateHz, label, entry } = recording;
  const context = analysis.contextOf(recording);
  const windows: FeatureVector[] = [];
  let diagnosis: Sight['diagnosis'] = { fault: 'unknown', confidence: 0 };
  for (const block of recording.blocks) {
    const spec = analysis.specOf(recording, context, block);
    for await (const { features } of analysis.windows(block, spec)) windows.push(features);
    const { fault, confidence } = await diagnose([block.samples], spec);
    if (confidence > diagnosis.confidence) diagnosis = { fault, confidence };
  }
  return {
    file,
    point,
    group: `${point} at ${sampleRateHz} Hz`,
    label,
    split: entry.split,
    windows,
    diagnosis,
  };
}

/** Recordings of one point at one sample rate: learned from the healthy ones, each of which is judged by the others. */
export function evaluatePopulation(
  sights: readonly Sight[],
  rule: FitRule,
  options: PopulationOptions,
): EvaluationPart {
  const learned = sights.filter((sight) =>
    rule === 'train' ? sight.split === 'train' : isNormal(sight.label),
  );
  const healthy = learned.map(({ windows }) => windows);
  const windows = healthy.flat().length;
  if (windows < LEAST_WINDOWS) {
    const found = windows === 0 ? 'no healthy recording' : `${windows} healthy windows`;
    const remark = `${found} of ${sights[0]!.group} to learn from: at least ${LEAST_WINDOWS} windows are needed`;
    return { judged: [], detections: [], perRecording: sights.map((sight) => unjudged(sight, remark)) };
  }
  const population = fitPopulation(healthy, options);
  const perRecording = sights.map((sight) => judged(sight, learned.indexOf(sight)));
  return { judged: perRecording.flatMap(judgedOf), detections: [], perRecording };

  function judged(sight: Sight, place: number): RecordingResult {
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

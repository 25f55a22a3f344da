import { medianOf } from '../../base/median.js';
import type { Fault } from '../../diagnosis/diagnosis.js';
import {
  type Confusion,
  confusionOf,
  type Judged,
  type Rates,
  ratesOf,
  rocAucOf,
} from '../../scoring/learning/ranking.js';

/** A stretch of time that was called anomalous. */
export interface Detection {
  readonly file: string;
  /** The point, or the feature of it, that deviated most. */
  readonly channel: string;
  /** ISO 8601. */
  readonly from: string;
  readonly to: string;
  /** Largest deviation over its limit. */
  readonly score: number;
  /** Whether something was wrong at the time; null where nobody knows. */
  readonly truth: boolean | null;
  /** From the start of what was wrong to the detection, s; null where there was nothing, or it was seen from before. */
  readonly delayS: number | null;
  /** From the detection to the end of life, s; null where the recording is no life. */
  readonly leadS: number | null;
  /** Share of life that had passed, 0 to 1. */
  readonly lifeShare: number | null;
}

export interface RecordingResult {
  readonly file: string;
  readonly point: string | null;
  readonly label: string | null;
  /** Over its limit; null where it could not be judged. */
  readonly score: number | null;
  readonly threshold: number;
  readonly anomalous: boolean | null;
  /** Operating state in which it scored so; missing where the machine has but one. */
  readonly state?: string;
  readonly diagnosis: { readonly fault: Fault; readonly confidence: number } | null;
  /** Why it was not judged. */
  readonly remark?: string;
}

/** Stretches that are labelled anomalous. */
export interface Windows {
  readonly total: number;
  readonly detected: number;
  /** Detections outside all of them. */
  readonly falseDetections: number;
}

/** One thing of which the truth is known, and the operating state in which it was seen. */
export interface JudgedInState extends Judged {
  /** Missing where the machine has but one. */
  readonly state?: string | undefined;
  /** It was not judged, as a gateway would not have: it counts as not anomalous. */
  readonly unjudged?: boolean;
}

/** How well what was seen in one operating state was told. */
export interface StateQuality extends Rates {
  readonly state: string;
  /** Healthy windows or rows that were learned. */
  readonly learned: number;
  /** Recordings or rows of which the truth is known: these were judged. */
  readonly judged: number;
  /** And these were not, so they count as not anomalous. */
  readonly unjudged: number;
  readonly rocAuc: number | null;
  readonly confusion: Confusion;
}

/** What one kind of recording contributes. */
export interface EvaluationPart {
  readonly judged: readonly JudgedInState[];
  /** By operating state how many healthy windows or rows were learned. */
  readonly learned?: ReadonlyMap<string, number>;
  readonly detections: readonly Detection[];
  readonly perRecording: readonly RecordingResult[];
  readonly windows?: Windows;
  /** What a person should know of the data before believing the figures. */
  readonly notes?: readonly string[];
}

/** What `sm-edge evaluate` prints. */
export interface Evaluation extends Rates {
  readonly set: string;
  readonly rocAuc: number | null;
  readonly accuracy: number | null;
  readonly confusion: Confusion;
  readonly windows: Windows;
  /** By operating state, where states are known; else empty. */
  readonly states: readonly StateQuality[];
  readonly medianDelayS: number | null;
  readonly medianLeadS: number | null;
  readonly detections: readonly Detection[];
  readonly perRecording: readonly RecordingResult[];
  /** What a person should know of the data before believing the figures. */
  readonly notes: readonly string[];
}

export function combine(set: string, parts: readonly EvaluationPart[]): Evaluation {
  const judged = parts.flatMap((part) => part.judged);
  const detections = parts.flatMap((part) => part.detections);
  const confusion = confusionOf(judged);
  const sum = (of: (windows: Windows) => number) =>
    parts.reduce((total, { windows }) => total + (windows === undefined ? 0 : of(windows)), 0);
  return {
    set,
    rocAuc: rocAucOf(judged),
    ...ratesOf(confusion),
    accuracy: judged.length > 0 ? (confusion.tp + confusion.tn) / judged.length : null,
    confusion,
    windows: {
      total: sum(({ total }) => total),
      detected: sum(({ detected }) => detected),
      falseDetections: sum(({ falseDetections }) => falseDetections),
    },
    states: qualityByState(parts, judged),
    medianDelayS: medianOrNull(detections.map(({ delayS }) => delayS)),
    medianLeadS: medianOrNull(detections.map(({ leadS }) => leadS)),
    detections,
    perRecording: parts.flatMap((part) => part.perRecording),
    notes: [...parts.flatMap(({ notes = [] }) => notes), ...notesOf(judged)],
  };
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : medianOf(known);
}

/** What figures cannot say. */
function notesOf(judged: readonly Judged[]): string[] {
  if (judged.length === 0)
    return [
      'nothing was judged whose truth is known: label recordings ("normal", or what is wrong), or rows of tables',
    ];
  if (!judged.some(({ truth }) => truth))
    return ['nothing is labelled anomalous: only false alarms can be told'];
  if (judged.every(({ truth }) => truth))
    return ['nothing is labelled normal: only missed alarms can be told'];
  return [];
}

function qualityByState(
  parts: readonly EvaluationPart[],
  judged: readonly JudgedInState[],
): readonly StateQuality[] {
  const learned = new Map<string, number>();
  for (const part of parts)
    for (const [state, count] of part.learned ?? []) learned.set(state, (learned.get(state) ?? 0) + count);
  const names = new Set([...learned.keys(), ...judged.flatMap(({ state }) => state ?? [])]);
  return [...names].sort().map((state) => {
    const own = judged.filter((of) => of.state === state);
    const confusion = confusionOf(own);
    const unjudged = own.filter((of) => of.unjudged).length;
    return {
      ...{ state, learned: learned.get(state) ?? 0, judged: own.length - unjudged, unjudged },
      rocAuc: rocAucOf(own),
      ...ratesOf(confusion),
      confusion,
    };
  });
}

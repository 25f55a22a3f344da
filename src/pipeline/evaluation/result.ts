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

/** What one kind of recording contributes. */
export interface EvaluationPart {
  readonly judged: readonly Judged[];
  readonly detections: readonly Detection[];
  readonly perRecording: readonly RecordingResult[];
  readonly windows?: Windows;
}

/** What `sm-edge evaluate` prints. */
export interface Evaluation extends Rates {
  readonly set: string;
  readonly rocAuc: number | null;
  readonly accuracy: number | null;
  readonly confusion: Confusion;
  readonly windows: Windows;
  readonly medianDelayS: number | null;
  readonly medianLeadS: number | null;
  readonly detections: readonly Detection[];
  readonly perRecording: readonly RecordingResult[];
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
    medianDelayS: medianOrNull(detections.map(({ delayS }) => delayS)),
    medianLeadS: medianOrNull(detections.map(({ leadS }) => leadS)),
    detections,
    perRecording: parts.flatMap((part) => part.perRecording),
  };
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : medianOf(known);
}

import type { PartHealth } from '../../base/health.js';
import type { Quality, QualityReason } from '../../signals/quality.js';
import type { StateView } from './operating-states.js';

/** What the daemon is doing right now: for the demo's screen, `status` and, later, the console. */
export interface GatewaySnapshot {
  readonly timeMs: number;
  readonly sources: readonly SourceView[];
  readonly machines: readonly MachineView[];
  /** Alarms that are not in the normal state, the most urgent first. */
  readonly alarms: readonly AlarmView[];
  /** Points that are being learned. */
  readonly learning: readonly LearningView[];
}

export interface LearningView {
  readonly point: string;
  readonly state: string;
  /** How far it is, in a sentence. */
  readonly message: string;
}

export interface SourceView extends PartHealth {
  readonly id: string;
  readonly type: string;
  /** Since the start. */
  readonly readings: number;
  readonly blocks: number;
  readonly samples: number;
}

export interface MachineView {
  readonly id: string;
  readonly class: string;
  /** 1 is healthy, 0.5 is at the threshold of its worst point; undefined until something has been scored. */
  readonly health: number | undefined;
  readonly points: readonly PointView[];
  /** When it was last judged: a machine that stands still keeps its last index. */
  readonly healthTimeMs?: number;
  /** The points that pull the index down, the strongest first. */
  readonly pulls?: readonly { readonly point: string; readonly index: number }[];
  /** Where the machine has more than one operating state. */
  readonly operating?: StateView;
}

export interface PointView {
  readonly point: string;
  readonly unit: string;
  /** A reading's value, or the RMS of the newest analysed window. */
  readonly value: number | undefined;
  readonly timeMs: number;
  readonly score: number | undefined;
  /** Most probable label, where a classification scores the point. */
  readonly label?: string | undefined;
  /** Every label with its probability. */
  readonly probabilities?: Readonly<Record<string, number>> | undefined;
  /** Where a forecast scores the point: what was expected of the newest window, and the interval around it. */
  readonly expected?: number | undefined;
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
  /** Models that said the label or the forecast, where they are not those of the score. */
  readonly saidBy?: string | undefined;
  readonly threshold: number | undefined;
  /** Operating state of the machine when it was last judged, where it has more than one. */
  readonly state?: string | undefined;
  /** Why there is no score: the machine stands still or runs up, or its state is new here. */
  readonly unjudged?: string | undefined;
  /** Verdict of the newest diagnosis, where there was one. */
  readonly diagnosis: string | undefined;
  /** Of the newest reading or sample block, and why it is not good. */
  readonly quality: Quality;
  readonly reason: QualityReason | undefined;
  /** Of a waveform. */
  readonly sampleRateHz: number | undefined;
}

/** A piece of signal. */
export interface WaveformView {
  readonly point: string;
  readonly startTimeMs: number;
  readonly sampleRateHz: number;
  readonly unit: string;
  readonly samples: Float32Array;
}

export interface AlarmView {
  readonly alarm: string;
  readonly point: string;
  readonly state: string;
  readonly severity: string;
  readonly message: string;
  readonly sinceMs: number;
}

import { z } from 'zod';
import type { Metrics } from '../base/metrics.js';
import { pointParts } from '../signals/point.js';
import type { Quality } from '../signals/quality.js';
import { Habit, strengthOf } from './habit.js';
import {
  blockEvidence,
  MOST_EVIDENCE,
  notGoodShare,
  type Validation,
  type ValidationReason,
  validate,
} from './validation.js';

/** A scored block of a point. */
export interface JudgedBlock {
  readonly point: string;
  readonly timeMs: number;
  readonly score: number;
  readonly threshold: number;
  /** Score over threshold: 1 at the threshold. */
  readonly exceedance: number;
  readonly anomalous: boolean;
  /** Models that scored it, and how many of them called it anomalous. */
  readonly models: { readonly anomalous: number; readonly scored: number };
}

/** An anomaly that did not become an alarm. */
export interface HeldBack {
  readonly point: string;
  /** First and last anomalous block of it, milliseconds since the Unix epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Anomalous blocks of it. */
  readonly blocks: number;
  /** The highest of its scores, and the threshold then. */
  readonly score: number;
  readonly threshold: number;
  /** Of its most credible block. */
  readonly confidence: number;
  readonly reasons: readonly ValidationReason[];
}

/** What the validation says of an anomalous block. */
export interface Verdict extends Validation {
  /** True for the block with which the anomaly is confirmed. */
  readonly first: boolean;
}

/** An anomaly that goes on. */
interface Anomaly {
  evidence: number;
  blocks: number;
  /** Its blocks by strength. */
  readonly strengths: Record<number, number>;
  quietInRow: number;
  confirmed: boolean;
  held: HeldBack | undefined;
}

interface PointState {
  readonly habit: Habit;
  /** What people called its alarms, the newest last. */
  labels: readonly boolean[];
  notGood: number;
  lastMs: number;
  /** Time from one block to the next, milliseconds. */
  stepMs: number;
  /** Newest block that was anomalous and is no habit of the point. */
  unusualMs: number;
  anomaly: Anomaly | undefined;
  /** Strengths of its last confirmed anomaly that ended: what a label is about. */
  last: Readonly<Record<number, number>> | undefined;
  changed: boolean;
}

export interface ValidatorOptions {
  readonly metrics?: Metrics;
  /** Whether somebody works on a machine. */
  readonly inMaintenance?: (machine: string) => boolean;
  /** Told when an anomaly is over that never was confirmed. */
  readonly onHeldBack?: (held: HeldBack) => void;
}

/** What is kept of a point over a restart. */
const storedSchema = z.object({
  habit: z.object({ blocks: z.number().nonnegative(), counts: z.array(z.number().nonnegative()).max(100) }),
  labels: z.array(z.boolean()).max(100),
});

const MAX_POINTS = 20_000;
const MAX_HELD = 500;
const MAX_LABELS = 5;
/** An anomaly is over after so many blocks in a row that are none. */
const OVER_AFTER = 5;
/** What a person calls wrong weighs as much as so many that went by themselves. */
const LABEL_TIMES = 5;
/** Blocks of one anomaly that count for the habit, by strength: one long one must not become the habit at once. */
const MOST_LEARNED = 20;
/** A block that is as anomalous as this share of the blocks for nothing tells the neighbours nothing. */
const USUAL_FROM = 0.1;

/** Decides which anomalies may become alarms, block by block and point by point; remembers what it held back. No I/O. */
export class AnomalyValidator {
  readonly #points = new Map<string, PointState>();
  readonly #byMachine = new Map<string, Set<string>>();
  #held: HeldBack[] = [];
  readonly #options: ValidatorOptions;
  readonly #counters;

  constructor(options: ValidatorOptions = {}) {
    this.#options = options;
    const { metrics } = options;
    this.#counters = metrics && {
      heldBack: metrics.counter('sm_edge_anomalies_held_back_total', 'Anomalies that went unconfirmed.'),
      confirmed: metrics.counter(
        'sm_edge_anomalies_confirmed_total',
        'Anomalies that the validation let pass.',
      ),
    };
  }

  /** A value arrived, whatever it is. */
  quality(point: string, quality: Quality): void {
    const state = this.#stateOf(point);
    if (state !== undefined) state.notGood = notGoodShare(state.notGood, quality);
  }

  /** What a person called the newest alarm of the point. */
  label(point: string, right: boolean): void {
    const state = this.#stateOf(point);
    if (state === undefined) return;
    state.labels = [...state.labels, right].slice(-MAX_LABELS);
    state.changed = true;
    // One that goes on is learned, or not, by this label when it ends.
    if (state.anomaly?.confirmed || state.last === undefined) return;
    state.habit.learn(state.last, right ? -1 : LABEL_TIMES - 1);
    state.last = undefined;
  }

  /** Undefined where the block is not anomalous. Once confirmed, an anomaly stays so until it is over. */
  judge(block: JudgedBlock): Verdict | undefined {
    const { point, timeMs, anomalous } = block;
    const state = this.#stateOf(point);
    if (state === undefined) return anomalous ? UNWATCHED : undefined;
    if (timeMs > state.lastMs) state.stepMs = Math.min(timeMs - state.lastMs, MAX_STEP_MS);
    state.lastMs = timeMs;
    return anomalous ? this.#anomalous(state, block) : this.#quiet(state);
  }

  /** What was held back, the newest first; what is going on as well. */
  held(limit: number): HeldBack[] {
    const open = [...this.#points.values()].flatMap(({ anomaly }) => anomaly?.held ?? []);
    return [...this.#held, ...open].sort((a, b) => b.toMs - a.toMs).slice(0, limit);
  }

  /** What was learned of points since the last call: to be stored. */
  takeChanged(): [point: string, document: unknown][] {
    return [...this.#points].flatMap(([point, state]) => {
      if (!state.changed) return [];
      state.changed = false;
      return [[point, { habit: state.habit.toJSON(), labels: state.labels }]];
    });
  }

  /** Takes up what was learned of a point before a restart; what is none of it is learned anew. */
  restorePoint(point: string, document: unknown): void {
    const { data } = storedSchema.safeParse(document);
    const state = data && this.#stateOf(point);
    if (state === undefined) return;
    state.habit.restore(data!.habit);
    state.labels = data!.labels;
  }

  /** Takes up what was held back before a restart, the oldest first. */
  restoreHeld(held: readonly HeldBack[]): void {
    this.#held = [...held, ...this.#held].slice(-MAX_HELD);
  }

  /** For recordings that are not one story. */
  forget(point: string): void {
    this.#points.delete(point);
    this.#byMachine.get(pointParts(point).machine)?.delete(point);
  }

  #anomalous(state: PointState, block: JudgedBlock): Verdict {
    const { point, timeMs, exceedance, models } = block;
    state.anomaly ??= {
      evidence: 0,
      blocks: 0,
      strengths: {},
      quietInRow: 0,
      confirmed: false,
      held: undefined,
    };
    const { anomaly, labels } = state;
    const strength = strengthOf(exceedance);
    const habit = state.habit.shareOf(strength);
    if (habit < USUAL_FROM) state.unusualMs = timeMs;
    anomaly.evidence = Math.min(MOST_EVIDENCE, anomaly.evidence + blockEvidence(true, habit));
    anomaly.blocks++;
    anomaly.quietInRow = 0;
    anomaly.strengths[strength] = (anomaly.strengths[strength] ?? 0) + 1;
    const { machine } = pointParts(point);
    const right = labels.filter((label) => label).length;
    const found = validate({
      blocks: anomaly.blocks,
      evidence: anomaly.evidence,
      habit,
      isNew: state.habit.isNew,
      neighbours: this.#neighbours(machine, point, timeMs, state.stepMs),
      models,
      notGood: state.notGood,
      labels: { right, wrong: labels.length - right },
      maintenance: this.#options.inMaintenance?.(machine) ?? false,
    });
    const first = !anomaly.confirmed && found.confirmed;
    if (first) {
      anomaly.confirmed = true;
      anomaly.held = undefined;
      this.#counters?.confirmed.inc();
    }
    if (!anomaly.confirmed) anomaly.held = holdBack(anomaly.held, block, found);
    return { ...found, confirmed: anomaly.confirmed, first };
  }

  #quiet(state: PointState): undefined {
    const { anomaly, habit } = state;
    if (anomaly === undefined) {
      habit.quiet();
      return;
    }
    anomaly.evidence = Math.max(0, anomaly.evidence + blockEvidence(false, habit.shareOf(0)));
    anomaly.quietInRow++;
    if (anomaly.quietInRow >= OVER_AFTER) this.#end(state, anomaly);
  }

  /** It went by itself: the point does such things. A person may take that back by a label. */
  #end(state: PointState, anomaly: Anomaly): void {
    state.anomaly = undefined;
    state.changed = true;
    const learned = Object.fromEntries(
      Object.entries(anomaly.strengths).map(([step, blocks]) => [step, Math.min(blocks, MOST_LEARNED)]),
    );
    state.habit.learn(learned);
    if (anomaly.confirmed) state.last = learned;
    if (anomaly.held === undefined) return;
    this.#counters?.heldBack.inc();
    this.#held.push(anomaly.held);
    if (this.#held.length > MAX_HELD) this.#held.shift();
    this.#options.onHeldBack?.(anomaly.held);
  }

  /** Points of the machine that were unusual in the last two blocks of the one that is looked at. */
  #neighbours(machine: string, point: string, timeMs: number, stepMs: number) {
    const others = [...(this.#byMachine.get(machine) ?? [])].filter((name) => name !== point);
    const anomalous = others.filter(
      (name) => Math.abs(timeMs - this.#points.get(name)!.unusualMs) <= 2 * stepMs,
    );
    return { anomalous: anomalous.length, watched: others.length };
  }

  #stateOf(point: string): PointState | undefined {
    let state = this.#points.get(point);
    if (state === undefined && this.#points.size < MAX_POINTS) {
      state = {
        habit: new Habit(),
        labels: [],
        notGood: 0,
        lastMs: Number.POSITIVE_INFINITY,
        stepMs: 1_000,
        unusualMs: Number.NEGATIVE_INFINITY,
        anomaly: undefined,
        last: undefined,
        changed: false,
      };
      this.#points.set(point, state);
      const { machine } = pointParts(point);
      this.#byMachine.set(machine, (this.#byMachine.get(machine) ?? new Set()).add(point));
    }
    return state;
  }
}

/** Points that seldom send are no neighbours in time, milliseconds. */
const MAX_STEP_MS = 60_000;

/** Of a point too many nothing is known that could hold its anomalies back. */
const UNWATCHED: Verdict = { confirmed: true, first: false, confidence: 0.5, reasons: [] };

function holdBack(before: HeldBack | undefined, block: JudgedBlock, found: Validation): HeldBack {
  const { point, timeMs, score, threshold } = block;
  const worst = before === undefined || score > before.score ? { score, threshold } : before;
  const best = before === undefined || found.confidence > before.confidence ? found : before;
  return {
    point,
    fromMs: before?.fromMs ?? timeMs,
    toMs: timeMs,
    blocks: (before?.blocks ?? 0) + 1,
    score: worst.score,
    threshold: worst.threshold,
    confidence: best.confidence,
    reasons: best.reasons,
  };
}

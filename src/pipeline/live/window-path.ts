import type { AlarmEngine } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import type { NewId } from '../../base/ids.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import { TravellingLines } from '../../diagnosis/travelling-lines.js';
import type { FeatureVector } from '../../features/spec.js';
import type { AnalysisClient } from '../analysis/client.js';
import type { Anomalies } from '../assessment/anomalies.js';
import type { Assessor } from '../assessment/assessor.js';
import type { Learning } from '../commissioning/learning.js';
import type { OperatingStates } from '../machines/operating-states.js';
import type { PointBoard } from '../machines/point-board.js';
import type { CaptureCause } from './captures.js';
import type { AnalysisWindow } from './channel.js';
import type { Consequences } from './consequences.js';
import { scoreRows } from './score-row.js';
import type { Track } from './tracks.js';

export interface WindowPathDeps {
  readonly clock: Clock;
  readonly newId: NewId;
  readonly analysis: AnalysisClient;
  readonly assessor: Assessor;
  readonly states: OperatingStates;
  readonly alarms: AlarmEngine;
  readonly anomalies: Anomalies;
  readonly board: PointBoard;
  readonly consequences: Consequences;
  /** Told of each analysed window, since its point may be being learned; asked what is known of an anomaly. */
  readonly learning?: () => Pick<Learning, 'onWindow' | 'known'>;
  /** The features of a window are there. */
  readonly onExtracted: () => void;
  readonly capture: (track: Track, cause: CaptureCause) => void;
}

/** A diagnosis looks at this much signal, milliseconds. */
const DIAGNOSIS_MS = 8_000;
/** While a point stays anomalous its diagnosis is renewed after this time, milliseconds. */
const DIAGNOSIS_AGE_MS = 15_000;
/** The same while it names no fault: most of the signal that it saw was from before the fault. */
const INCONCLUSIVE_AGE_MS = 3_000;

/** The way of one window: features, scores, diagnosis, verdict, alarm. */
export class WindowPath {
  readonly #deps: WindowPathDeps;
  readonly #lines = new TravellingLines();
  #stopping = false;

  constructor(deps: WindowPathDeps) {
    this.#deps = deps;
  }

  /** Diagnoses take long: none begins once the gateway stops. */
  stop(): void {
    this.#stopping = true;
  }

  /** @throws SmEdgeError where the window cannot be analysed */
  async take(track: Track, window: AnalysisWindow): Promise<void> {
    const { analysis, anomalies, assessor, alarms, board, consequences, newId, states } = this.#deps;
    const { channel, context } = track;
    const { point, spec } = channel;
    const features = await analysis.extract(channel.ring, window.from, window.length, spec);
    this.#deps.onExtracted();
    const correlationId = newId();
    const timeMs = window.startTimeMs;
    const durationMs = (window.length * 1000) / spec.sampleRateHz;
    board.features(point, timeMs, features, spec.unit);
    consequences.statesChanged(states.features(point, spec.unit, features, timeMs + durationMs));
    const at = states.over(point, timeMs, timeMs + durationMs);
    const samples = () => channel.ring.copy(window.from, window.length);
    const assessment = await assessor.window(context, spec, { timeMs, features, samples }, at);
    const { scores, worst } = assessment;
    const onFeatures = alarms.evaluateFeatures({ point, timeMs, features });
    if (onFeatures.length > 0) await consequences.announce(onFeatures, correlationId);
    consequences.save({
      features: [{ point, timeMs, durationMs, features }],
      scores: scores.flatMap((score) => scoreRows(point, timeMs, score, correlationId)),
    });
    const seen = (confirmed: boolean) =>
      this.#deps.learning?.().onWindow({ context, timeMs, durationMs, features, confirmed, state: at });
    consequences.assessed(point, timeMs, assessment);
    if (worst === undefined) return seen(false);

    if (worst.anomalous) await this.#diagnose(track, features);
    else this.#lines.forget(point);
    const diagnosis = worst.anomalous ? track.diagnosis : undefined;
    board.diagnosis(point, diagnosis);
    const validation = anomalies.judge(point, timeMs, assessment);
    seen(validation?.confirmed === true);
    if (validation?.first) {
      const reasons = await assessor.reasons(point, worst, features);
      const known = await this.#deps.learning?.().known(point, features, diagnosis);
      const eventId = anomalies.confirm(
        { point, timeMs, score: worst, reasons, diagnosis, validation, known },
        correlationId,
      );
      this.#deps.capture(track, {
        ...{ trigger: 'anomaly', timeMs: timeMs + durationMs },
        ...{ correlationId, eventId },
      });
    }
    const transitions = alarms.evaluateScore({
      ...worst,
      point,
      timeMs,
      heldBack: validation?.confirmed === false,
      ...(diagnosis === undefined ? {} : { diagnosis }),
    });
    if (transitions.length > 0)
      await consequences.announce(transitions, correlationId, anomalies.causeOf(point));
  }

  /** What physics says of the newest signal of a point; undefined where there is too little of it. */
  async diagnosisOf({ channel }: Track): Promise<Diagnosis | undefined> {
    const { from, length } = channel.newest(DIAGNOSIS_MS);
    if (length < channel.spec.blockLength) return undefined;
    return this.#deps.analysis.diagnose(channel.ring, from, length, channel.spec);
  }

  /** Renews the diagnosis of an anomalous point when it is old. */
  async #diagnose(track: Track, { envelopeRms }: FeatureVector): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    const inconclusive = track.diagnosis?.fault === 'normal' || track.diagnosis?.fault === 'unknown';
    const ageMs = inconclusive ? INCONCLUSIVE_AGE_MS : DIAGNOSIS_AGE_MS;
    if (this.#stopping || nowMs - track.diagnosedMs < ageMs) return;
    const before = track.diagnosedMs;
    track.diagnosedMs = nowMs;
    const diagnosis = await this.diagnosisOf(track);
    if (diagnosis === undefined) track.diagnosedMs = before;
    else {
      const { channel, context } = track;
      track.diagnosis = this.#lines.tell(diagnosis, { ...context, unit: channel.spec.unit, envelopeRms });
    }
  }
}

import type { AlarmEngine, AlarmTransition } from '../alarms/engine.js';
import type { Clock } from '../base/clock.js';
import { toErrorRecord, toSmEdgeError } from '../base/errors.js';
import type { NewId } from '../base/ids.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Diagnosis } from '../diagnosis/diagnose.js';
import { TravellingLines } from '../diagnosis/travelling-lines.js';
import { type AnalysisConfig, ruleFor } from '../features/analysis-config.js';
import type { FeatureVector } from '../features/spec.js';
import { pointParts } from '../signals/point.js';
import { isSound } from '../signals/quality.js';
import type { Reading } from '../signals/reading.js';
import type { SampleBlock } from '../signals/sample-block.js';
import type { IntakeSink } from '../sources/intake/intake.js';
import type { SignalBatch } from '../sources/part.js';
import type { Store } from '../storage/store.js';
import type { AnalysisClient } from './analysis/client.js';
import type { Announcer } from './announcer.js';
import type { Anomalies } from './anomalies.js';
import type { Assessment, Assessor } from './assessor.js';
import { type CaptureCause, Captures } from './captures.js';
import { type AnalysisWindow, Channel } from './channel.js';
import type { Learning } from './commissioning/learning.js';
import { countReadings, type LiveMetrics, liveMetrics } from './live-metrics.js';
import type { MachineHealth } from './machine-health.js';
import { analysisSpecOf, type MachineRegistry, type PointContext } from './machines.js';
import type { OperatingStates, StateChange } from './operating-states.js';
import type { PointBoard } from './point-board.js';
import { PointRings } from './point-rings.js';
import { scoreRow, scoreRows } from './score-row.js';
import { signalDocument } from './signal-document.js';
import { Trends } from './trends.js';
import { UnderWay } from './under-way.js';

export interface LiveDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly newId: NewId;
  readonly store: Pick<Store, 'write' | 'save' | 'fullness' | 'documents'>;
  readonly analysis: AnalysisClient;
  readonly assessor: Assessor;
  readonly states: OperatingStates;
  readonly health: MachineHealth;
  readonly alarms: AlarmEngine;
  readonly anomalies: Anomalies;
  readonly announcer: Announcer;
  readonly board: PointBoard;
  readonly machines: MachineRegistry;
  readonly config: AnalysisConfig;
  /** Told of each analysed window, since its point may be being learned; asked what is known of an anomaly. */
  readonly learning?: () => Pick<Learning, 'onWindow' | 'known'>;
  /** Courses of seasons that were learned before, by point. */
  readonly seasons?: Iterable<readonly [point: string, state: unknown]>;
}

/** A channel with what the analysis of it needs to remember. */
interface Track {
  readonly channel: Channel;
  readonly context: PointContext;
  /** True for a point whose blocks are stored as they come: a snapshot would store them twice. */
  stored: boolean;
  busy: boolean;
  diagnosis: Diagnosis | undefined;
  diagnosedMs: number;
}

/** More waveform points than a gateway has; further ones are stored but not analysed, and counted. */
const MAX_TRACKS = 256;
/** A diagnosis looks at this much signal, milliseconds. */
const DIAGNOSIS_MS = 8_000;
/** While a point stays anomalous its diagnosis is renewed after this time, milliseconds. */
const DIAGNOSIS_AGE_MS = 15_000;
/** The same while it names no fault: most of the signal that it saw was from before the fault. */
const INCONCLUSIVE_AGE_MS = 3_000;
/** What has not been analysed by then is given up when the gateway stops, milliseconds. */
const STOP_TIMEOUT_MS = 3_000;

/**
 * The daemon's way of a block: into its ring, and for each full window: features, score, verdict,
 * alarm. One window of a channel is under way at a time; where the analysis cannot keep up, windows are left out and
 * counted, never queued.
 */
export class LivePipeline implements IntakeSink {
  readonly #deps: LiveDeps;
  readonly #tracks = new Map<string, Track>();
  readonly #underWay: UnderWay;
  readonly #counters: LiveMetrics['counters'];
  readonly #rings: PointRings;
  readonly #lines = new TravellingLines();
  /** Raw signal around events: their records, and triggers by hand. */
  readonly captures: Captures;
  readonly #trends: Trends;
  /** What the readings of the batch that is taken in led to. */
  #announced: Promise<void>[] = [];
  #stopping = false;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
    this.#underWay = new UnderWay(deps.clock, deps.logger);
    const { metrics, config, store } = deps;
    this.#trends = new Trends(config.trends, deps.seasons);
    const { before, after } = config.capture;
    this.captures = new Captures({ store, metrics, beforeMs: before, afterMs: after });
    const { gauges, counters } = liveMetrics(metrics);
    this.#counters = counters;
    this.#rings = new PointRings(config, deps.logger, gauges);
  }

  /** Blocks that nobody acknowledges live in their ring; they are stored when something happens. */
  async analyse({ readings = [], blocks = [] }: SignalBatch, stored: boolean): Promise<void> {
    this.#announced = [];
    const nowMs = this.#deps.clock.nowMs();
    let told = 0;
    for (const reading of readings) {
      // What tells the state of the machine at this time, before what is judged by it.
      while (told < readings.length && readings[told]!.timeMs <= reading.timeMs)
        this.#stateChanged(this.#deps.states.reading(readings[told++]!, nowMs));
      this.#takeReading(reading);
    }
    countReadings(this.#counters, readings);
    for (const block of blocks) this.#takeBlock(block, stored);
    if (this.#announced.length > 0) await Promise.allSettled(this.#announced);
  }

  store(batch: SignalBatch): Promise<void> {
    return this.#deps.store.write(batch);
  }

  pressure(): number {
    return this.#deps.store.fullness;
  }

  /** Begins no more windows; resolves when those under way are done, or after the deadline. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#underWay.follow(this.captures.stop());
    await this.#underWay.settled(STOP_TIMEOUT_MS);
  }

  /** Takes up what is known of the machines now: a point whose machine, speed or bearing changed is begun anew. */
  machinesChanged(): void {
    this.#rings.tryAgain();
    for (const [point, { context }] of this.#tracks) {
      const now = this.#deps.machines.contextOf(point);
      if (JSON.stringify(now) === JSON.stringify(context)) continue;
      this.#tracks.delete(point);
      this.#rings.release(point);
    }
  }

  #takeReading(reading: Reading): void {
    const { alarms, board, newId } = this.#deps;
    board.reading(reading);
    this.#deps.anomalies.quality(reading.point, reading.quality);
    // Few readings have consequences: only they get an id that runs through them.
    let id: string | undefined;
    const correlationOf = (): string => {
      id ??= newId();
      return id;
    };
    const transitions = alarms.evaluateReading(reading);
    if (isSound(reading.quality, reading.reason)) {
      this.#scoreReading(reading, correlationOf);
      const onTrend = this.#followTrend(reading);
      if (onTrend.length > 0) this.#announce(onTrend, correlationOf());
    }
    if (transitions.length > 0) this.#announce(transitions, correlationOf());
  }

  #scoreReading({ point, timeMs, value }: Reading, correlationOf: () => string): void {
    const { alarms, anomalies, assessor, states } = this.#deps;
    const at = states.over(point, timeMs, timeMs);
    const assessment = assessor.reading(point, value, { timeMs, at, tells: states.isTeller(point) });
    const { worst } = assessment;
    this.#assessed(point, timeMs, assessment);
    if (worst === undefined) return;
    // Scores of scalars are stored when they say something: a year of "usual" wears the flash for nothing.
    if (worst.anomalous) this.#save({ scores: [scoreRow(point, timeMs, worst, correlationOf())] });
    const verdict = anomalies.judge(point, timeMs, assessment);
    if (verdict?.first)
      anomalies.confirm(
        { point, timeMs, score: worst, reasons: [], diagnosis: undefined, validation: verdict },
        correlationOf(),
      );
    const transitions = alarms.evaluateScore({
      ...worst,
      point,
      timeMs,
      heldBack: verdict?.confirmed === false,
    });
    if (transitions.length > 0) this.#announce(transitions, correlationOf(), anomalies.causeOf(point));
  }

  /** What was said of a point is shown, and counts for its machine: whose index is a point that alarms can name. */
  #assessed(point: string, timeMs: number, assessment: Assessment): void {
    const { board, health, newId, alarms } = this.#deps;
    board.assessed(point, timeMs, assessment);
    const index = health.assessed(point, timeMs, assessment);
    if (index === undefined) return;
    board.reading(index);
    this.#save({ readings: [index] });
    const transitions = [...alarms.evaluateReading(index), ...this.#followTrend(index)];
    if (transitions.length > 0) this.#announce(transitions, newId());
  }

  /** The machine went to another state: alarms may count in it, or not. */
  #stateChanged(changes: readonly StateChange[]): void {
    for (const { machine, state, timeMs } of changes) {
      const transitions = this.#deps.alarms.evaluateState(machine, state.name, timeMs);
      if (transitions.length > 0) this.#announce(transitions, this.#deps.newId());
    }
  }

  #announce(transitions: readonly AlarmTransition[], correlationId: string, causationId?: string): void {
    this.#captureMachine(transitions, correlationId);
    const announced = this.#deps.announcer.transitions(transitions, correlationId, causationId);
    this.#announced.push(announced);
    this.#underWay.follow(announced);
  }

  /** Slope and rate are points that alarms can name; they have no trends and scores of their own. */
  #followTrend(reading: Reading): AlarmTransition[] {
    const trend = this.#trends.add(reading);
    if (trend === undefined) return [];
    this.#save(trend.batch);
    for (const derived of trend.derived) this.#deps.board.reading(derived);
    return trend.derived.flatMap((derived) => this.#deps.alarms.evaluateReading(derived));
  }

  /** An alarm of a scalar: what did the waveforms of its machine look like when it was raised? */
  #captureMachine(transitions: readonly AlarmTransition[], correlationId: string): void {
    for (const { to, alarm, point, timeMs } of transitions) {
      if (to !== 'unacknowledged') continue;
      const { machine } = pointParts(point);
      for (const track of this.#tracks.values())
        if (track.context.machine === machine)
          this.#capture(track, { trigger: 'alarm', timeMs, correlationId, alarm, point });
    }
  }

  #capture(track: Track, cause: CaptureCause): void {
    this.#underWay.follow(this.captures.begin(track.channel, cause, track.stored));
  }

  #takeBlock(block: SampleBlock, stored: boolean): void {
    this.#counters.blocks.inc();
    this.#counters.samples.inc(block.samples.length);
    const track = this.#trackOf(block);
    this.#deps.board.block(block, track?.channel);
    if (track === undefined) {
      this.#counters.skipped.inc();
      return;
    }
    track.stored = stored;
    const endMs = block.startTimeMs + (block.samples.length * 1000) / block.sampleRateHz;
    this.#deps.states.block(block.point, endMs, this.#deps.clock.nowMs());
    const continued = track.channel.push(block) === 'continued';
    if (!continued) this.#counters.gaps.inc();
    this.#deps.anomalies.quality(block.point, continued ? block.quality : 'uncertain');
    const captured = this.captures.advance(track.channel);
    if (captured !== undefined) this.#underWay.follow(captured);
    this.#next(track);
  }

  #trackOf(block: SampleBlock): Track | undefined {
    const known = this.#tracks.get(block.point);
    const same =
      known !== undefined &&
      known.channel.spec.sampleRateHz === block.sampleRateHz &&
      known.channel.spec.unit === block.unit;
    if (same) return known;
    if (known === undefined && this.#tracks.size >= MAX_TRACKS) return undefined;
    const context = this.#deps.machines.contextOf(block.point);
    const rule = ruleFor(this.#deps.config.points, block.point);
    const spec = analysisSpecOf(context, block.sampleRateHz, block.unit, rule);
    const ring = this.#rings.create(block.point, spec);
    if (ring === undefined) return undefined;
    const track: Track = {
      channel: new Channel(block.point, spec, ring, rule?.overlap),
      context,
      stored: false,
      busy: false,
      diagnosis: undefined,
      diagnosedMs: Number.NEGATIVE_INFINITY,
    };
    this.#tracks.set(block.point, track);
    this.#save({ documents: [signalDocument(block.point, spec)] });
    return track;
  }

  /** Starts the next window of a channel, if there is one and none is under way. */
  #next(track: Track): void {
    if (track.busy || this.#stopping) return;
    const skipped = track.channel.skipToNewest();
    if (skipped > 0) this.#counters.skipped.inc(skipped);
    const window = track.channel.takeWindow();
    if (window === undefined) return;
    track.busy = true;
    this.#underWay.follow(
      this.#analyse(track, window).finally(() => {
        track.busy = false;
        this.#next(track);
      }),
    );
  }

  async #analyse(track: Track, window: AnalysisWindow): Promise<void> {
    const { analysis, anomalies, assessor, alarms, announcer, board, newId, states } = this.#deps;
    const { channel, context } = track;
    const { point, spec } = channel;
    try {
      const features = await analysis.extract(channel.ring, window.from, window.length, spec);
      this.#counters.windows.inc();
      this.#rings.count();
      const correlationId = newId();
      const timeMs = window.startTimeMs;
      const durationMs = (window.length * 1000) / spec.sampleRateHz;
      board.features(point, timeMs, features, spec.unit);
      this.#stateChanged(states.features(point, spec.unit, features, timeMs + durationMs));
      const at = states.over(point, timeMs, timeMs + durationMs);
      const samples = () => channel.ring.copy(window.from, window.length);
      const assessment = await assessor.window(context, spec, { timeMs, features, samples }, at);
      const { scores, worst } = assessment;
      const onFeatures = alarms.evaluateFeatures({ point, timeMs, features });
      if (onFeatures.length > 0) await announcer.transitions(onFeatures, correlationId);
      this.#save({
        features: [{ point, timeMs, durationMs, features }],
        scores: scores.flatMap((score) => scoreRows(point, timeMs, score, correlationId)),
      });
      const seen = (confirmed: boolean) =>
        this.#deps.learning?.().onWindow({ context, timeMs, durationMs, features, confirmed, state: at });
      this.#assessed(point, timeMs, assessment);
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
        this.#capture(track, { trigger: 'anomaly', timeMs: timeMs + durationMs, correlationId, eventId });
      }
      const transitions = alarms.evaluateScore({
        ...worst,
        point,
        timeMs,
        heldBack: validation?.confirmed === false,
        ...(diagnosis === undefined ? {} : { diagnosis }),
      });
      await announcer.transitions(transitions, correlationId, anomalies.causeOf(point));
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'ANALYSIS');
      this.#counters.failed.inc({ code: error.code });
      this.#deps.logger.warn({ point, error: toErrorRecord(error) }, 'a window could not be analysed');
    }
  }

  /** What physics says of the newest signal of a point; undefined where there is too little of it. */
  async diagnosisOf(point: string): Promise<Diagnosis | undefined> {
    const channel = this.#tracks.get(point)?.channel;
    if (channel === undefined) return undefined;
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
    const { channel, context } = track;
    const { from, length } = channel.newest(DIAGNOSIS_MS);
    if (length < channel.spec.blockLength) return;
    track.diagnosedMs = nowMs;
    const diagnosis = await this.#deps.analysis.diagnose(channel.ring, from, length, channel.spec);
    track.diagnosis = this.#lines.tell(diagnosis, { ...context, unit: channel.spec.unit, envelopeRms });
  }

  /** Stores what nobody waits for; what the store does not take is counted. */
  #save(batch: Parameters<Store['write']>[0]): void {
    this.#underWay.follow(
      this.#deps.store.save(batch).catch((thrown) => {
        this.#counters.unsaved.inc({ code: toSmEdgeError(thrown).code });
      }),
    );
  }
}

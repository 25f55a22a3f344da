import type { AlarmEngine, AlarmTransition } from '../alarms/engine.js';
import type { Clock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { toErrorRecord, toSmEdgeError } from '../base/errors.js';
import type { NewId } from '../base/ids.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Diagnosis } from '../diagnosis/diagnose.js';
import { type AnalysisConfig, ruleFor } from '../features/analysis-config.js';
import type { AnalysisSpec } from '../features/spec.js';
import type { Score } from '../scoring/score.js';
import { pointParts } from '../signals/point.js';
import { isSound } from '../signals/quality.js';
import type { Reading } from '../signals/reading.js';
import { RingBudget } from '../signals/ring-budget.js';
import type { SampleRing } from '../signals/ring-buffer.js';
import type { SampleBlock } from '../signals/sample-block.js';
import type { IntakeSink } from '../sources/intake/intake.js';
import type { SignalBatch } from '../sources/part.js';
import type { Store } from '../storage/store.js';
import type { AnalysisClient } from './analysis/client.js';
import type { Announcer } from './announcer.js';
import type { Assessor } from './assessor.js';
import { type CaptureCause, Captures } from './captures.js';
import { type AnalysisWindow, Channel } from './channel.js';
import { analysisSpecOf, type MachineRegistry, type PointContext } from './machines.js';
import type { PointBoard } from './point-board.js';
import { Trends } from './trends.js';

export interface LiveDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly newId: NewId;
  readonly store: Pick<Store, 'write' | 'save' | 'fullness' | 'documents'>;
  readonly analysis: AnalysisClient;
  readonly assessor: Assessor;
  readonly alarms: AlarmEngine;
  readonly announcer: Announcer;
  readonly board: PointBoard;
  readonly machines: MachineRegistry;
  readonly config: AnalysisConfig;
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
  /** Windows in a row that were anomalous. */
  unusual: number;
  diagnosis: Diagnosis | undefined;
  diagnosedMs: number;
  /** The event that said that the point became anomalous. */
  anomalyId: string | undefined;
}

/** More waveform points than a gateway has; further ones are stored but not analysed, and counted. */
const MAX_TRACKS = 256;
/** A diagnosis looks at this much signal, milliseconds. */
const DIAGNOSIS_MS = 8_000;
/** While a point stays anomalous its diagnosis is renewed after this time, milliseconds. */
const DIAGNOSIS_AGE_MS = 15_000;
/** The same while it names no fault: most of the signal that it saw was from before the fault. */
const INCONCLUSIVE_AGE_MS = 3_000;
/** An anomaly is announced when it has lasted this many windows: one odd window is a knock on the housing. */
const PERSISTENCE = 2;
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
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #counters;
  readonly #gauges;
  readonly #rings: RingBudget;
  /** Raw signal around events: their records, and triggers by hand. */
  readonly captures: Captures;
  readonly #trends: Trends;
  /** Points whose ring did not fit, so that it is told once for each. */
  readonly #refused = new Set<string>();
  #stopping = false;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
    const { metrics, config, store } = deps;
    this.#rings = new RingBudget(config.memory);
    this.#trends = new Trends(config.trends, deps.seasons);
    const { before, after } = config.capture;
    this.captures = new Captures({ store, metrics, beforeMs: before, afterMs: after });
    this.#gauges = {
      bytes: metrics.gauge('sm_edge_rings_bytes', 'Memory of all ring buffers.'),
      refused: metrics.gauge('sm_edge_rings_refused', 'Ring buffers that the memory did not suffice for.'),
      overruns: metrics.gauge(
        'sm_edge_rings_overruns',
        'Windows that were overwritten before they were read.',
      ),
    };
    this.#counters = {
      readings: metrics.counter('sm_edge_pipeline_readings_total', 'Readings taken in, by quality.', [
        'quality',
      ]),
      blocks: metrics.counter('sm_edge_pipeline_blocks_total', 'Sample blocks taken in.'),
      samples: metrics.counter('sm_edge_pipeline_samples_total', 'Samples taken in.'),
      gaps: metrics.counter(
        'sm_edge_pipeline_gaps_total',
        'Breaks in waveforms: lost blocks, pauses, bad blocks.',
      ),
      windows: metrics.counter('sm_edge_pipeline_windows_total', 'Windows analysed.'),
      skipped: metrics.counter(
        'sm_edge_pipeline_windows_skipped_total',
        'Windows left out because the analysis was behind, or the point was one too many.',
      ),
      failed: metrics.counter(
        'sm_edge_pipeline_windows_failed_total',
        'Windows that could not be analysed.',
        ['code'],
      ),
      unsaved: metrics.counter(
        'sm_edge_pipeline_unsaved_total',
        'Batches that nobody had to be told about and that the store did not take.',
        ['code'],
      ),
    };
  }

  /** Blocks that nobody acknowledges live in their ring; they are stored when something happens. */
  analyse({ readings = [], blocks = [] }: SignalBatch, stored: boolean): void {
    for (const reading of readings) this.#takeReading(reading);
    for (const block of blocks) this.#takeBlock(block, stored);
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
    this.#follow(this.captures.stop());
    const settled = async () => {
      while (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay]);
    };
    await withDeadline(this.#deps.clock, 'end of the analysis', STOP_TIMEOUT_MS, settled()).catch(() => {
      this.#deps.logger.warn({ underWay: this.#underWay.size }, 'windows under way are given up');
    });
  }

  /** Takes up what is known of the machines now: a point whose machine, speed or bearing changed is begun anew. */
  machinesChanged(): void {
    this.#refused.clear();
    for (const [point, { context }] of this.#tracks) {
      const now = this.#deps.machines.contextOf(point);
      if (JSON.stringify(now) === JSON.stringify(context)) continue;
      this.#tracks.delete(point);
      this.#rings.release(point);
    }
  }

  #takeReading(reading: Reading): void {
    const { alarms, announcer, assessor, board, newId } = this.#deps;
    this.#counters.readings.inc({ quality: reading.quality });
    board.reading(reading);
    const correlationId = newId();
    const transitions = [...alarms.evaluateReading(reading)];
    if (isSound(reading.quality, reading.reason)) {
      const { worst } = assessor.reading(reading.point, reading.value);
      if (worst !== undefined) {
        board.score(reading.point, reading.timeMs, worst);
        // Scores of scalars are stored when they say something: a year of "usual" wears the flash for nothing.
        if (worst.anomalous)
          this.#save({ scores: [scoreRow(reading.point, reading.timeMs, worst, correlationId)] });
        transitions.push(...alarms.evaluateScore({ ...worst, point: reading.point, timeMs: reading.timeMs }));
      }
      transitions.push(...this.#followTrend(reading));
    }
    this.#captureMachine(transitions, correlationId);
    this.#follow(announcer.transitions(transitions, correlationId));
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
    this.#follow(this.captures.begin(track.channel, cause, track.stored));
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
    if (track.channel.push(block) !== 'continued') this.#counters.gaps.inc();
    const captured = this.captures.advance(track.channel);
    if (captured !== undefined) this.#follow(captured);
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
    const ring = this.#ringFor(block.point, spec);
    if (ring === undefined) return undefined;
    const track: Track = {
      channel: new Channel(block.point, spec, ring, rule?.overlap),
      context,
      stored: false,
      busy: false,
      unusual: 0,
      diagnosis: undefined,
      diagnosedMs: Number.NEGATIVE_INFINITY,
      anomalyId: undefined,
    };
    this.#tracks.set(block.point, track);
    return track;
  }

  /** A ring of four windows at least; undefined, told once, where the memory of all rings does not suffice. */
  #ringFor(point: string, spec: AnalysisSpec): SampleRing | undefined {
    const { ring: durationMs, ringBytes } = this.#deps.config;
    if (this.#refused.has(point)) return undefined;
    try {
      return this.#rings.create(point, {
        sampleRateHz: spec.sampleRateHz,
        durationMs,
        leastSamples: 4 * spec.blockLength,
        ...(ringBytes === undefined ? {} : { maxBytes: ringBytes }),
      });
    } catch (thrown) {
      this.#refused.add(point);
      this.#deps.logger.warn(
        { point, error: toErrorRecord(thrown) },
        'a waveform is stored but not analysed',
      );
      return undefined;
    } finally {
      this.#gauges.bytes.set(this.#rings.usedBytes);
      this.#gauges.refused.set(this.#rings.refused);
    }
  }

  /** Starts the next window of a channel, if there is one and none is under way. */
  #next(track: Track): void {
    if (track.busy || this.#stopping) return;
    const skipped = track.channel.skipToNewest();
    if (skipped > 0) this.#counters.skipped.inc(skipped);
    const window = track.channel.takeWindow();
    if (window === undefined) return;
    track.busy = true;
    this.#follow(
      this.#analyse(track, window).finally(() => {
        track.busy = false;
        this.#next(track);
      }),
    );
  }

  async #analyse(track: Track, window: AnalysisWindow): Promise<void> {
    const { analysis, assessor, alarms, announcer, board, newId } = this.#deps;
    const { channel, context } = track;
    const { point, spec } = channel;
    try {
      const features = await analysis.extract(channel.ring, window.from, window.length, spec);
      this.#counters.windows.inc();
      this.#gauges.overruns.set(this.#rings.totals().overruns);
      const correlationId = newId();
      const timeMs = window.startTimeMs;
      const durationMs = (window.length * 1000) / spec.sampleRateHz;
      board.features(point, timeMs, features, spec.unit);
      const { scores, worst } = await assessor.window(context, spec, features);
      this.#save({
        features: [{ point, timeMs, durationMs, features }],
        scores: scores.map((score) => scoreRow(point, timeMs, score, correlationId)),
      });
      if (worst === undefined) return;
      board.score(point, timeMs, worst);

      track.unusual = worst.anomalous ? track.unusual + 1 : 0;
      const begins = track.unusual === PERSISTENCE;
      if (worst.anomalous) await this.#diagnose(track);
      const diagnosis = worst.anomalous ? track.diagnosis : undefined;
      board.diagnosis(point, diagnosis);
      const transitions = alarms.evaluateScore({
        ...worst,
        point,
        timeMs,
        ...(diagnosis === undefined ? {} : { diagnosis }),
      });
      if (begins) {
        const reasons = await assessor.reasons(point, worst, features);
        const event = await announcer.anomaly(
          { point, timeMs, score: worst, reasons, diagnosis },
          correlationId,
        );
        track.anomalyId = event?.id;
        this.#capture(track, {
          trigger: 'anomaly',
          timeMs: timeMs + durationMs,
          correlationId,
          ...(event === undefined ? {} : { eventId: event.id }),
        });
      }
      await announcer.transitions(transitions, correlationId, track.anomalyId);
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'ANALYSIS');
      this.#counters.failed.inc({ code: error.code });
      this.#deps.logger.warn({ point, error: toErrorRecord(error) }, 'a window could not be analysed');
    }
  }

  /** Renews the diagnosis of an anomalous point when it is old. */
  async #diagnose(track: Track): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    const inconclusive = track.diagnosis?.fault === 'normal' || track.diagnosis?.fault === 'unknown';
    const ageMs = inconclusive ? INCONCLUSIVE_AGE_MS : DIAGNOSIS_AGE_MS;
    if (this.#stopping || nowMs - track.diagnosedMs < ageMs) return;
    const { channel } = track;
    const { from, length } = channel.newest(DIAGNOSIS_MS);
    if (length < channel.spec.blockLength) return;
    track.diagnosedMs = nowMs;
    track.diagnosis = await this.#deps.analysis.diagnose(channel.ring, from, length, channel.spec);
  }

  /** Stores what nobody waits for; what the store does not take is counted. */
  #save(batch: Parameters<Store['write']>[0]): void {
    this.#follow(
      this.#deps.store.save(batch).catch((thrown) => {
        this.#counters.unsaved.inc({ code: toSmEdgeError(thrown).code });
      }),
    );
  }

  #follow(work: Promise<unknown>): void {
    const followed: Promise<void> = work
      .catch((thrown) =>
        this.#deps.logger.error({ error: toErrorRecord(thrown) }, 'an event could not be published'),
      )
      .then(() => {
        this.#underWay.delete(followed);
      });
    this.#underWay.add(followed);
  }
}

const scoreRow = (point: string, timeMs: number, score: Score, correlationId: string) => ({
  point,
  timeMs,
  model: score.model,
  version: score.version,
  score: score.score,
  threshold: score.threshold,
  anomalous: score.anomalous,
  ...(score.fallback === undefined ? {} : { fallback: score.fallback }),
  correlationId,
});

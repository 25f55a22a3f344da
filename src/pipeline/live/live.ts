import type { AlarmEngine, AlarmTransition } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError, toErrorRecord, toSmEdgeError } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { AnalysisConfig } from '../../features/analysis-config.js';
import { pointParts } from '../../signals/point.js';
import { pointMatcher } from '../../signals/point-pattern.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { IntakeSink } from '../../sources/intake/intake.js';
import type { SignalBatch } from '../../sources/part.js';
import type { Store } from '../../storage/store.js';
import type { AnalysisClient } from '../analysis/client.js';
import type { Announcer } from '../announcements/announcer.js';
import type { Anomalies } from '../assessment/anomalies.js';
import type { Assessor } from '../assessment/assessor.js';
import type { Learning } from '../commissioning/learning.js';
import type { MachineHealth } from '../machines/machine-health.js';
import type { MachineRegistry } from '../machines/machines.js';
import type { OperatingStates } from '../machines/operating-states.js';
import type { PointBoard } from '../machines/point-board.js';
import { type CaptureCause, type CaptureQuery, type CaptureRecord, Captures } from './captures.js';
import type { AnalysisWindow } from './channel.js';
import { Consequences } from './consequences.js';
import { countReadings, type LiveMetrics, liveMetrics } from './metrics.js';
import { PointRings } from './point-rings.js';
import { ScalarPath } from './scalar-path.js';
import { signalDocument } from './signal-document.js';
import { type Track, Tracks } from './tracks.js';
import { Trends } from './trends.js';
import { UnderWay } from './under-way.js';
import { WindowPath } from './window-path.js';

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

/** A capture that a person asked for: it is stored when the signal after now has come. */
export interface CaptureUnderWay {
  readonly points: readonly string[];
  readonly correlationId: string;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** What has not been analysed by then is given up when the gateway stops, milliseconds. */
const STOP_TIMEOUT_MS = 3_000;

/**
 * The daemon's way of a batch: readings at once, blocks into their rings, and each full window through features,
 * score, verdict, alarm. One window of a channel is under way at a time; where the analysis cannot keep up, windows
 * are left out and counted, never queued.
 */
export class LivePipeline implements IntakeSink {
  readonly #deps: LiveDeps;
  readonly #tracks: Tracks;
  readonly #underWay: UnderWay;
  readonly #counters: LiveMetrics['counters'];
  readonly #consequences: Consequences;
  readonly #scalars: ScalarPath;
  readonly #windows: WindowPath;
  readonly #captures: Captures;
  #stopping = false;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
    const { metrics, config, store, machines } = deps;
    const underWay = new UnderWay(deps.clock, deps.logger);
    this.#underWay = underWay;
    const { before, after } = config.capture;
    this.#captures = new Captures({ store, metrics, beforeMs: before, afterMs: after });
    const { gauges, counters } = liveMetrics(metrics);
    this.#counters = counters;
    const consequences = new Consequences({
      ...deps,
      underWay,
      trends: new Trends(config.trends, deps.seasons),
      unsaved: counters.unsaved,
      onTransitions: (...raised) => this.#captureMachines(...raised),
    });
    this.#consequences = consequences;
    const rings = new PointRings(config, deps.logger, gauges);
    this.#tracks = new Tracks({
      ...{ machines, config, rings },
      onBegin: ({ point, spec }) => consequences.save({ documents: [signalDocument(point, spec)] }),
    });
    this.#scalars = new ScalarPath({ ...deps, consequences });
    this.#windows = new WindowPath({
      ...deps,
      consequences,
      onExtracted: () => {
        counters.windows.inc();
        rings.count();
      },
      capture: (track, cause) => this.#capture(track, cause),
    });
  }

  /** Blocks that nobody acknowledges live in their ring; they are stored when something happens. */
  async analyse({ readings = [], blocks = [] }: SignalBatch, stored: boolean): Promise<void> {
    this.#consequences.beginBatch();
    const { states, clock } = this.#deps;
    const nowMs = clock.nowMs();
    let told = 0;
    for (const reading of readings) {
      // What tells the state of the machine at this time, before what is judged by it.
      while (told < readings.length && readings[told]!.timeMs <= reading.timeMs)
        this.#consequences.statesChanged(states.reading(readings[told++]!, nowMs));
      this.#scalars.take(reading);
    }
    countReadings(this.#counters, readings);
    for (const block of blocks) this.#takeBlock(block, stored);
    await this.#consequences.batchTold();
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
    this.#windows.stop();
    this.#underWay.follow(this.#captures.stop());
    await this.#underWay.settled(STOP_TIMEOUT_MS);
  }

  /** Takes up what is known of the machines now: a point whose machine, speed or bearing changed is begun anew. */
  machinesChanged(): void {
    this.#tracks.machinesChanged();
  }

  /** The captures that are kept, newest first. */
  list(query: CaptureQuery): Promise<CaptureRecord[]> {
    return this.#captures.list(query);
  }

  /**
   * Keeps the raw signal around now, because a person asks for it.
   * @param pattern names of waveform points, `*` standing for any part
   * @throws SmEdgeError `NOT_FOUND` where no waveform has such a name
   */
  take(pattern: string, by: string): CaptureUnderWay {
    const matches = pointMatcher(pattern);
    const tracks = [...this.#tracks.all()].filter(({ channel }) => matches(channel.point));
    if (tracks.length === 0)
      throw new SmEdgeError('NOT_FOUND', `no waveform that is being analysed is named ${pattern}`, {
        hint: 'sm-edge status and GET /api/v1/points list the points; readings have no waveform',
      });
    const timeMs = this.#deps.clock.nowMs();
    const correlationId = this.#deps.newId();
    for (const track of tracks) this.#capture(track, { trigger: 'manual', timeMs, correlationId, by });
    const { before: beforeMs, after: afterMs } = this.#deps.config.capture;
    return { points: tracks.map(({ channel }) => channel.point), correlationId, beforeMs, afterMs };
  }

  /** What physics says of the newest signal of a point; undefined where there is too little of it. */
  async diagnosisOf(point: string): Promise<Diagnosis | undefined> {
    const track = this.#tracks.get(point);
    return track === undefined ? undefined : this.#windows.diagnosisOf(track);
  }

  /** An alarm was raised: what did the waveforms of its machine look like then? */
  #captureMachines(transitions: readonly AlarmTransition[], correlationId: string): void {
    for (const { to, alarm, point, timeMs } of transitions) {
      if (to !== 'unacknowledged') continue;
      const thread = this.#deps.alarms.stateOf(alarm, point)?.thread ?? { correlationId };
      for (const track of this.#tracks.ofMachine(pointParts(point).machine))
        this.#capture(track, { trigger: 'alarm', timeMs, ...thread, alarm, point });
    }
  }

  #capture(track: Track, cause: CaptureCause): void {
    this.#underWay.follow(this.#captures.begin(track.channel, cause, track.stored));
  }

  #takeBlock(block: SampleBlock, stored: boolean): void {
    const { board, states, anomalies, clock } = this.#deps;
    this.#counters.blocks.inc();
    this.#counters.samples.inc(block.samples.length);
    const track = this.#tracks.of(block);
    board.block(block, track?.channel);
    if (track === undefined) {
      this.#counters.skipped.inc();
      return;
    }
    track.stored = stored;
    const endMs = block.startTimeMs + (block.samples.length * 1000) / block.sampleRateHz;
    states.block(block.point, endMs, clock.nowMs());
    const continued = track.channel.push(block) === 'continued';
    if (!continued) this.#counters.gaps.inc();
    anomalies.quality(block.point, continued ? block.quality : 'uncertain');
    const captured = this.#captures.advance(track.channel);
    if (captured !== undefined) this.#underWay.follow(captured);
    this.#next(track);
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
    try {
      await this.#windows.take(track, window);
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'ANALYSIS');
      this.#counters.failed.inc({ code: error.code });
      const { point } = track.channel;
      this.#deps.logger.warn({ point, error: toErrorRecord(error) }, 'a window could not be analysed');
    }
  }
}

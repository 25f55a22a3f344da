import type { Timer } from '../../base/clock.js';
import { toSmEdgeError } from '../../base/errors.js';
import type { Metrics } from '../../base/metrics.js';
import type { Random } from '../../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { SteadyClock } from '../../base/steady-clock.js';
import { pointMatcher } from '../../signals/point-pattern.js';
import type { Quality } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { SignalBatch, SignalSink } from '../part.js';
import type { IntakeConfig, OverloadPolicy } from './config.js';
import { Judge, type Trouble } from './judge.js';
import { Stamping } from './stamping.js';
import { WaitingReadings } from './waiting-readings.js';

/** Where a judged batch goes on. */
export interface IntakeSink {
  /**
   * Analyses a batch, at once and without waiting; `stored` tells that its blocks are stored too.
   * @returns resolves once the changes of alarms that its readings led to are on disk; never rejects
   */
  analyse(batch: SignalBatch, stored: boolean): Promise<void>;
  /** Resolves once the batch is on disk; rejects with a retryable error while the store cannot. */
  store(batch: SignalBatch): Promise<void>;
  /** How full the queue of the store is, 0 to 1. */
  pressure(): number;
}

export interface IntakeDeps {
  readonly source: string;
  readonly clock: SteadyClock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly sink: IntakeSink;
}

/** From here on raw waveforms are not stored any more where the policy is to reduce fidelity. */
const HIGH_PRESSURE = 0.5;
/** Readings that go to the store in one piece, and pieces under way at a time. */
const PIECE_READINGS = 5_000;
const MAX_UNDER_WAY = 64;
const RETRY: RetrySchedule = { initialMs: 250, maxMs: 10_000, factor: 2, jitter: 0.3, limit: Infinity };
/** What has not been stored by then is given up when the source stops, milliseconds. */
const DRAIN_MS = 3_000;

/**
 * The door of the gateway for one source: judges what it delivers, hands it to the analysis at once and to the store
 * as fast as that can, and gives way by the declared policy when that is not fast enough.
 */
export class Intake implements SignalSink {
  readonly #deps: IntakeDeps;
  readonly #judge: Judge;
  readonly #stamping: Stamping;
  readonly #waiting: WaitingReadings;
  readonly #policyOf: (point: string) => OverloadPolicy;
  readonly #metrics;
  readonly #counts = { readings: 0, blocks: 0, samples: 0 };
  #underWay = 0;
  #attempt = 0;
  #timer: Timer | undefined;
  #onIdle: (() => void) | undefined;

  constructor(config: IntakeConfig, deps: IntakeDeps, paced = true) {
    const { source, metrics } = deps;
    this.#deps = deps;
    this.#judge = new Judge(config.quality, paced, deps.clock.monotonicMs());
    this.#policyOf = policies(config);
    const values = metrics.counter(
      'sm_edge_source_values_total',
      'Readings and sample blocks that came in, by quality and reason.',
      ['source', 'kind', 'quality', 'reason'],
    );
    const dropped = metrics.counter(
      'sm_edge_source_overload_dropped_total',
      'What gave way because the store could not keep up, by policy: readings, or raw blocks that were analysed only.',
      ['source', 'kind', 'policy'],
    );
    const corrected = metrics.counter(
      'sm_edge_source_times_corrected_total',
      'Values that took the time of arrival because that of the device was too far off.',
      ['source'],
    );
    this.#stamping = new Stamping(config.timestamps, (count) => corrected.inc({ source }, count));
    this.#metrics = {
      skew: metrics.gauge(
        'sm_edge_source_clock_skew_seconds',
        'How far the times that come in are ahead of the clock of the gateway, smoothed.',
        ['source'],
      ),
      values: (kind: 'reading' | 'block', quality: Quality, reason: string, count: number) =>
        values.inc({ source, kind, quality, reason }, count),
      dropped: (kind: 'reading' | 'block', policy: OverloadPolicy, count: number) => {
        if (count > 0) dropped.inc({ source, kind, policy }, count);
      },
      waiting: metrics.gauge('sm_edge_source_waiting_readings', 'Readings that wait for the store.', [
        'source',
      ]),
      refused: metrics.counter(
        'sm_edge_source_store_refusals_total',
        'Attempts to store that failed; they are made again where that can help.',
        ['source', 'code'],
      ),
    };
    this.#waiting = new WaitingReadings(config.overload.maxReadings, this.#policyOf, (policy, count) =>
      this.#metrics.dropped('reading', policy, count),
    );
  }

  get counts(): Readonly<{ readings: number; blocks: number; samples: number }> {
    return this.#counts;
  }

  /** Points whose signals have been wrong for a while. */
  get troubles(): Trouble[] {
    return this.#judge.troubles(this.#deps.clock.monotonicMs());
  }

  /** To be called about every second: declares the last values of points bad that have fallen silent. */
  watch(): void {
    const readings = this.#judge.fallenSilent(this.#time());
    this.#metrics.skew.set({ source: this.#deps.source }, this.#stamping.skewMs / 1000);
    if (readings.length === 0) return;
    this.#tally('reading', readings);
    void this.#deps.sink.analyse({ readings }, false);
    this.#waiting.push(readings);
    this.#pump();
  }

  offer(batch: SignalBatch): void {
    const judged = this.#take(batch);
    void this.#deps.sink.analyse(judged, false);
    if (judged.readings !== undefined && judged.readings.length > 0) {
      this.#waiting.push(judged.readings);
      this.#pump();
    }
  }

  async deliver(batch: SignalBatch): Promise<void> {
    const judged = this.#take(batch);
    const analysed = this.#deps.sink.analyse(judged, true);
    await this.#deps.sink.store(this.#reduced(judged));
    // What is acknowledged is not sent again: an alarm that it raised must not be lost with the next power cut.
    await analysed;
  }

  /** Resolves when everything that waits is stored, or after the deadline. */
  async drain(): Promise<void> {
    if (this.#isIdle) return;
    const { clock } = this.#deps;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer('drain of an intake', DRAIN_MS, resolve);
      this.#onIdle = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#timer?.cancel();
  }

  get #isIdle(): boolean {
    return this.#underWay === 0 && this.#waiting.length === 0;
  }

  #take({ readings = [], blocks = [] }: SignalBatch): SignalBatch {
    const time = this.#time();
    const stamping = this.#stamping;
    const judgedReadings = readings.map((reading) =>
      this.#judge.reading(stamping.reading(reading, time.nowMs), time),
    );
    const judgedBlocks = blocks.map((block) => this.#judge.block(stamping.block(block, time.nowMs), time));
    this.#tally('reading', judgedReadings);
    this.#tally('block', judgedBlocks);
    for (const block of blocks) this.#counts.samples += block.samples.length;
    this.#counts.readings += readings.length;
    this.#counts.blocks += blocks.length;
    return { readings: judgedReadings, blocks: judgedBlocks };
  }

  #time() {
    const { clock } = this.#deps;
    return {
      nowMs: clock.nowMs(),
      monotonicMs: clock.monotonicMs(),
      unsynchronised: clock.unsynchronised,
    };
  }

  /** Counts the good ones together: a labelled counter costs more than the rest of a reading. */
  #tally(kind: 'reading' | 'block', values: readonly (Reading | SampleBlock)[]): void {
    let good = 0;
    for (const { quality, reason = '' } of values) {
      if (quality === 'good') good++;
      else this.#metrics.values(kind, quality, reason, 1);
    }
    if (good > 0) this.#metrics.values(kind, 'good', '', good);
  }

  /** Without the raw waveforms that may go while the store is behind; their features are kept. */
  #reduced(batch: SignalBatch): SignalBatch {
    const { blocks = [] } = batch;
    if (blocks.length === 0 || this.#deps.sink.pressure() < HIGH_PRESSURE) return batch;
    const kept = blocks.filter(({ point }) => this.#policyOf(point) !== 'reduce-fidelity');
    this.#metrics.dropped('block', 'reduce-fidelity', blocks.length - kept.length);
    return { ...batch, blocks: kept };
  }

  #pump(): void {
    while (this.#timer === undefined && this.#waiting.length > 0 && this.#underWay < MAX_UNDER_WAY) {
      const readings = this.#waiting.take(PIECE_READINGS);
      this.#underWay++;
      this.#deps.sink
        .store({ readings })
        .then(
          () => {
            this.#attempt = 0;
          },
          (thrown) => this.#onRefused(readings, thrown),
        )
        .finally(() => {
          this.#underWay--;
          this.#pump();
          if (this.#isIdle) this.#onIdle?.();
        });
    }
    this.#metrics.waiting.set({ source: this.#deps.source }, this.#waiting.length);
  }

  #onRefused(readings: readonly Reading[], thrown: unknown): void {
    const { clock, random, source } = this.#deps;
    const error = toSmEdgeError(thrown);
    this.#metrics.refused.inc({ source, code: error.code });
    // What the store will never take must not stand in the way of the rest.
    if (!error.retryable) return;
    this.#waiting.putBack(readings);
    if (this.#timer !== undefined) return;
    this.#timer = clock.setTimer('store again', retryDelayMs(RETRY, this.#attempt++, random)!, () => {
      this.#timer = undefined;
      this.#pump();
    });
  }
}

function policies({ overload }: IntakeConfig): (point: string) => OverloadPolicy {
  const rules = overload.points.map(({ points, policy }) => ({ policy, matchers: points.map(pointMatcher) }));
  const known = new Map<string, OverloadPolicy>();
  return (point) => {
    let policy = known.get(point);
    if (policy === undefined) {
      const rule = rules.find(({ matchers }) => matchers.some((matches) => matches(point)));
      policy = rule?.policy ?? overload.policy;
      if (known.size < 10_000) known.set(point, policy);
    }
    return policy;
  };
}

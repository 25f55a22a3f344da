import type { Timer } from '../../base/clock.js';
import { withDeadline } from '../../base/deadline.js';
import { toErrorRecord, toSmEdgeError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { Random } from '../../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { SteadyClock } from '../../base/steady-clock.js';
import { createSource, isPaced, type SourceConfig } from '../../sources/index.js';
import { Intake, type IntakeSink } from '../../sources/intake/intake.js';
import type { Source, SourceMemory, SourceStatus } from '../../sources/part.js';
import type { SharedResources } from '../../sources/shared.js';
import type { SourceView } from '../machines/snapshot.js';

export interface SupervisorDeps {
  readonly gatewayId: string;
  readonly clock: SteadyClock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly sink: IntakeSink;
  readonly shared: SharedResources;
  memoryOf(sourceId: string): SourceMemory;
  /** The state of a source, or the reason for it, is another one now. */
  onChange(id: string, type: string, status: SourceStatus): void;
}

/** A source that does not stop within this time is left behind, milliseconds. */
const STOP_TIMEOUT_MS = 6_000;
/** How often the signals' own troubles are looked at. */
const WATCH_INTERVAL_MS = 1_000;
/** A source that cannot start is started again: its file, port or library may come back. */
const RESTART: RetrySchedule = { initialMs: 5_000, maxMs: 300_000, factor: 2, jitter: 0.3, limit: Infinity };
/** Points that a reason names. */
const MAX_NAMED = 3;

const STATES = ['starting', 'good', 'degraded', 'failed', 'stopped'] as const;

/** One source with its door to the gateway: started, started again when it cannot, and its state told to everybody. */
export class SupervisedSource {
  readonly config: SourceConfig;
  readonly hash: string;
  readonly #deps: SupervisorDeps;
  readonly #intake: Intake;
  readonly #metrics;
  #source: Source | undefined;
  /** What holds where the source itself cannot speak. */
  #failure: SourceStatus | undefined;
  #status: SourceStatus;
  #attempt = 0;
  #stopped = false;
  #restart: Timer | undefined;
  #watch: Timer | undefined;

  constructor(config: SourceConfig, hash: string, deps: SupervisorDeps) {
    this.config = config;
    this.hash = hash;
    this.#deps = deps;
    const { clock, random, metrics, sink } = deps;
    this.#status = { state: 'starting', reason: '', sinceMs: clock.nowMs() };
    this.#intake = new Intake(config, { source: config.id, clock, random, metrics, sink }, isPaced(config));
    this.#metrics = {
      good: metrics.gauge('sm_edge_source_good', '1 while the source is good, else 0.', ['source', 'type']),
      state: metrics.gauge(
        'sm_edge_source_state',
        '1 for the state that the source is in, 0 for the others.',
        ['source', 'type', 'state'],
      ),
      since: metrics.gauge(
        'sm_edge_source_state_since_seconds',
        'Since when the source is in its state, seconds since the Unix epoch.',
        ['source', 'type'],
      ),
      troubled: metrics.gauge(
        'sm_edge_source_troubled_points',
        'Points whose signals are wrong, by reason.',
        ['source', 'reason'],
      ),
    };
    this.#show();
  }

  get source(): Source | undefined {
    return this.#source;
  }

  get view(): SourceView {
    const { id, type } = this.config;
    return { id, type, part: `source ${id}`, ...this.#status, ...this.#intake.counts };
  }

  async start(): Promise<void> {
    const { gatewayId, clock, random, logger, metrics, memoryOf, shared } = this.#deps;
    this.#watchSignals();
    try {
      this.#source ??= await createSource(this.config, {
        gatewayId,
        clock,
        random,
        logger,
        metrics,
        sink: this.#intake,
        memory: memoryOf(this.config.id),
        shared,
        onStatus: () => this.#look(),
      });
      await this.#source.start();
      this.#failure = undefined;
      this.#attempt = 0;
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'SOURCE_START');
      if (this.#stopped) return;
      const reason = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
      if (this.#failure?.reason !== reason) {
        logger.error({ error: toErrorRecord(error) }, 'the source cannot start; it is tried again');
        this.#failure = { state: 'failed', reason, sinceMs: this.#failure?.sinceMs ?? clock.nowMs() };
      }
      this.#restart = clock.setTimer(
        'source restart',
        retryDelayMs(RESTART, this.#attempt++, random)!,
        () => {
          this.#restart = undefined;
          void this.start();
        },
      );
    }
    this.#look();
  }

  async stop(): Promise<void> {
    const { clock, logger } = this.#deps;
    const { id, type } = this.config;
    this.#stopped = true;
    this.#restart?.cancel();
    this.#watch?.cancel();
    try {
      await withDeadline(
        clock,
        `stop of source ${id}`,
        STOP_TIMEOUT_MS,
        this.#source?.stop() ?? Promise.resolve(),
      );
    } catch (thrown) {
      logger.warn({ error: toErrorRecord(thrown) }, 'the source did not stop cleanly');
    }
    await this.#intake.drain();
    this.#metrics.good.remove({ source: id, type });
    this.#metrics.since.remove({ source: id, type });
    for (const state of STATES) this.#metrics.state.remove({ source: id, type, state });
  }

  #watchSignals(): void {
    this.#watch ??= this.#deps.clock.setTimer('signal watch', WATCH_INTERVAL_MS, () => {
      this.#watch = undefined;
      if (this.#stopped) return;
      this.#intake.watch();
      this.#look();
      this.#watchSignals();
    });
  }

  /** Takes up the state as it is now; tells everybody where it changed. */
  #look(): void {
    const { clock, onChange } = this.#deps;
    const { id, type } = this.config;
    const { state, reason } = this.#now();
    if (state === this.#status.state && reason === this.#status.reason) return;
    const sinceMs = state === this.#status.state ? this.#status.sinceMs : clock.nowMs();
    this.#status = { state, reason, sinceMs };
    this.#show();
    onChange(id, type, this.#status);
  }

  #now(): Pick<SourceStatus, 'state' | 'reason'> {
    const own = this.#failure ?? this.#source?.status ?? this.#status;
    const { troubles } = this.#intake;
    const byReason = new Map<string, number>();
    for (const { reason } of troubles) byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
    this.#showTroubles(byReason);
    if (own.state !== 'good' || troubles.length === 0) return own;
    const named = troubles
      .slice(0, MAX_NAMED)
      .map(({ point, reason, text }) => `${point}: ${reason}, ${text}`);
    const more = troubles.length > MAX_NAMED ? `; and ${troubles.length - MAX_NAMED} more points` : '';
    return { state: 'degraded', reason: `${named.join('; ')}${more}` };
  }

  readonly #shownReasons = new Set<string>();

  #showTroubles(byReason: ReadonlyMap<string, number>): void {
    const { id: source } = this.config;
    for (const reason of byReason.keys()) this.#shownReasons.add(reason);
    for (const reason of this.#shownReasons)
      this.#metrics.troubled.set({ source, reason }, byReason.get(reason) ?? 0);
  }

  #show(): void {
    const { id: source, type } = this.config;
    for (const state of STATES) {
      this.#metrics.state.set({ source, type, state }, state === this.#status.state ? 1 : 0);
    }
    this.#metrics.good.set({ source, type }, this.#status.state === 'good' ? 1 : 0);
    this.#metrics.since.set({ source, type }, this.#status.sinceMs / 1000);
  }
}

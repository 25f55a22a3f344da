import type { Timer } from '../../base/clock.js';
import { formatDuration } from '../../base/duration.js';
import { SmEdgeError } from '../../base/errors.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { PointWriter, Source, SourceDeps, SourceStatus, WrittenPoint } from '../part.js';
import { StatusKeeper } from '../status.js';
import { type ModbusConfig, turnaroundOf, type UnitConfig } from './config.js';
import { type PointConfig, placePoint } from './config-point.js';
import { textGauge, unitCounters } from './counters.js';
import { FifoPoller } from './fifo-poller.js';
import type { LinkUser, ModbusLink, RequestRules } from './link.js';
import { writePoint } from './point-writer.js';
import type { Request } from './protocol.js';
import { type LinkLease, leaseLink } from './shared-link.js';
import { UnitPoller } from './unit-poller.js';
import { WaveformPoller } from './waveform-poller.js';

/** An absent link is a degraded source at first, a failed one after this time. */
const FAILED_AFTER_MS = 30_000;
/** Poll groups start within this time, ms: nobody waits long for the first values. */
const LONGEST_PHASE_MS = 1_000;
/** The link is tried again at least so often, ms, and no more often than … */
const LONGEST_RECONNECT_MS = 5_000;
/** … this. */
const SHORTEST_RECONNECT_MS = 250;

/** A Modbus client: its units, their points and waveforms, on a link that it may share with other sources. */
export class ModbusSource implements Source, PointWriter {
  readonly #config: ModbusConfig;
  readonly #deps: SourceDeps;
  readonly #status: StatusKeeper;
  readonly #pollers: UnitPoller[] = [];
  readonly #waveforms: (WaveformPoller | FifoPoller)[] = [];
  /** Points that the device refuses, by the poll group that they stand in. */
  readonly #refused = new Map<number, readonly string[]>();
  readonly #waveformFaults = new Map<string, string>();
  readonly #user: LinkUser;
  #lease: LinkLease | undefined;
  #linkFault: SmEdgeError | undefined;
  #lastLogged = '';
  #downTimer: Timer | undefined;

  constructor(config: ModbusConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#user = this.#asUser();
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  /** @throws SmEdgeError `MODBUS_LINK_CONFLICT` where another source has the same link with other settings */
  async start(): Promise<void> {
    const lease = leaseLink(this.#config.id, this.#config.connection, this.#deps);
    this.#lease = lease;
    const { link } = lease;
    const onText = textGauge(this.#deps.metrics, this.#config.id);
    for (const [index, unit] of this.#config.units.entries()) this.#addUnit(link, index, unit, onText);
    link.attach(this.#user);
    for (const [index, poller] of this.#pollers.entries()) {
      const { interval } = this.#config.units[index]!;
      poller.start(Math.min(interval, LONGEST_PHASE_MS) * link.nextPhase());
    }
    for (const waveform of this.#waveforms) waveform.start(LONGEST_PHASE_MS * link.nextPhase());
  }

  hasPoint(point: string): boolean {
    return this.#find(point) !== undefined;
  }

  async write(point: string, value: number): Promise<WrittenPoint> {
    const found = this.#find(point);
    const link = this.#lease?.link;
    if (found === undefined || link === undefined)
      throw new SmEdgeError('NOT_FOUND', `${point} is no point of ${this.#config.id}`);
    const { unit, config } = found;
    const { connection } = this.#config;
    const { clock, metrics } = this.#deps;
    const written = await writePoint(placePoint(config), value, {
      clock,
      unitId: unit.unitId,
      request: (request) =>
        link.request(request, {
          timeoutMs: unit.timeout ?? connection.timeout,
          turnaroundMs: turnaroundOf(unit, connection),
          priority: 'command',
          user: this.#user,
        }),
    });
    unitCounters(metrics, this.#config.id, unit.unitId, '')('writes');
    return written;
  }

  #find(point: string): { unit: UnitConfig; config: PointConfig } | undefined {
    for (const unit of this.#config.units) {
      const config = unit.points.find((one) => one.point === point);
      if (config !== undefined) return { unit, config };
    }
    return undefined;
  }

  async stop(): Promise<void> {
    if (this.status.state === 'stopped') return;
    this.#downTimer?.cancel();
    const stopping = [...this.#pollers, ...this.#waveforms].map((poller) => poller.stop());
    this.#lease?.link.detach(this.#user);
    await this.#lease?.release();
    await Promise.all(stopping);
    this.#status.set('stopped');
  }

  #asUser(): LinkUser {
    const { clock, metrics, logger } = this.#deps;
    const source = this.#config.id;
    const connections = metrics.counter('sm_edge_modbus_connections_total', 'Links opened', ['source']);
    const losses = metrics.counter(
      'sm_edge_modbus_connection_losses_total',
      'Links lost, and attempts to open one that failed',
      ['source'],
    );
    const shortest = Math.min(...this.#config.units.map(({ interval }) => interval));
    return {
      // A point is to be fresh within two intervals of the return of the link.
      maxReconnectMs: Math.max(SHORTEST_RECONNECT_MS, Math.min(LONGEST_RECONNECT_MS, shortest)),
      onUp: () => {
        connections.inc({ source });
        logger.info({ link: this.#lease?.link.name }, 'Modbus link open');
        this.#lastLogged = '';
        this.#linkFault = undefined;
        this.#downTimer?.cancel();
        this.#downTimer = undefined;
        for (const poller of this.#pollers) poller.pollNow();
        if (this.#waveforms.length > 0) this.#judge();
      },
      onDown: (fault, wasUp) => {
        losses.inc({ source });
        this.#linkFault = fault;
        // One line for each way in which the link fails, not one for each attempt.
        if (fault.message !== this.#lastLogged) {
          logger.warn(
            { code: fault.code, ...(fault.hint === undefined ? {} : { hint: fault.hint }) },
            `${wasUp ? 'link lost' : 'no link'}: ${fault.message}; trying again until it works`,
          );
          this.#lastLogged = fault.message;
        }
        this.#downTimer ??= clock.setTimer('modbus link down', FAILED_AFTER_MS, () => this.#judge('failed'));
        this.#judge();
      },
    };
  }

  #addUnit(
    link: ModbusLink,
    index: number,
    config: UnitConfig,
    onText: (point: string, text: string) => void,
  ): void {
    const { clock, metrics, sink } = this.#deps;
    const { connection, id } = this.#config;
    const { unitId } = config;
    const unit = link.units.of(unitId);
    const count = unitCounters(metrics, id, unitId, formatDuration(config.interval));
    const rules: RequestRules = {
      timeoutMs: config.timeout ?? connection.timeout,
      turnaroundMs: turnaroundOf(config, connection),
      priority: config.priority,
      user: this.#user,
    };
    const asking = (own: RequestRules) => (request: Request) => link.request(request, own);
    this.#pollers.push(
      new UnitPoller(config, {
        clock,
        unit,
        count,
        onText,
        request: asking(rules),
        retries: config.retries ?? connection.retries,
        isUp: () => link.isUp,
        isDown: () => this.#linkFault !== undefined,
        emit: (readings) => sink.offer({ readings }),
        onPolled: (refused) => {
          this.#refused.set(index, refused);
          this.#judge();
        },
      }),
    );
    const blockDeps = {
      clock,
      unitId,
      count,
      maxRegisters: config.maxRegisters,
      isReachable: () => link.isUp && !unit.breaker.isOpen,
      emit: (block: SampleBlock) => sink.offer({ blocks: [block] }),
      onFault: (point: string, error: SmEdgeError | undefined) => this.#blockFault(point, error),
    };
    for (const waveform of config.waveforms) {
      // Hundreds of pages must not hold up anybody's poll; a queue that is not emptied loses samples.
      const request = asking({ ...rules, priority: 'low' });
      this.#waveforms.push(new WaveformPoller(waveform, { ...blockDeps, request }));
    }
    for (const fifo of config.fifos) {
      this.#waveforms.push(
        new FifoPoller(fifo, { ...blockDeps, request: asking({ ...rules, priority: 'high' }) }),
      );
    }
  }

  #blockFault(point: string, error: SmEdgeError | undefined): void {
    if (error !== undefined) this.#waveformFaults.set(point, `${point}: ${error.message}`);
    else if (!this.#waveformFaults.delete(point)) return;
    this.#judge();
  }

  /** The state of the source from the state of its link, its units and its points. */
  #judge(downState: 'degraded' | 'failed' = 'degraded'): void {
    const link = this.#lease?.link;
    if (this.status.state === 'stopped' || link === undefined) return;
    const fault = this.#linkFault;
    if (fault !== undefined) {
      const reason = fault.hint === undefined ? fault.message : `${fault.message}; ${fault.hint}`;
      this.#status.set(this.status.state === 'failed' ? 'failed' : downState, reason);
      return;
    }
    const unitIds = [...new Set(this.#config.units.map(({ unitId }) => unitId))];
    const dead = new Map<string, number[]>();
    for (const unitId of unitIds) {
      const why = link.units.of(unitId).deadReason;
      if (why !== undefined) dead.set(why, [...(dead.get(why) ?? []), unitId]);
    }
    const deadCount = [...dead.values()].flat().length;
    const refused = [...this.#refused.values()].flat();
    const reasons = [
      ...[...dead].map(([why, units]) => `${why} ${list(units)}`),
      ...(refused.length === 0 ? [] : [`the device refuses ${list(refused)}`]),
      ...[...this.#waveformFaults.values()].slice(0, 3),
    ];
    this.#status.set(
      deadCount === unitIds.length ? 'failed' : reasons.length > 0 ? 'degraded' : 'good',
      reasons.join('; '),
    );
  }
}

const list = (items: readonly (string | number)[]): string =>
  `${items.slice(0, 5).join(', ')}${items.length > 5 ? ` and ${items.length - 5} more` : ''}`;

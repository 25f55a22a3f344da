import type { Timer } from '../../base/clock.js';
import type { SmEdgeError } from '../../base/errors.js';
import type { LineTarget } from '../line.js';
import type { Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import { Breaker } from './breaker.js';
import type { ConnectionConfig, ModbusConfig } from './config.js';
import { ModbusLink } from './link.js';
import { UnitPoller } from './unit-poller.js';
import { WaveformPoller } from './waveform-poller.js';

/** An absent link is a degraded source at first, a failed one after this time. */
const FAILED_AFTER_MS = 30_000;

/** A Modbus client: one link, its units, their points and waveforms. */
export class ModbusSource implements Source {
  readonly #config: ModbusConfig;
  readonly #deps: SourceDeps;
  readonly #status: StatusKeeper;
  readonly #link: ModbusLink;
  readonly #breakers = new Map<number, Breaker>();
  readonly #pollers: UnitPoller[] = [];
  readonly #waveforms: WaveformPoller[] = [];
  /** Points that the device refuses, by the unit entry that they stand in. */
  readonly #refused = new Map<number, readonly string[]>();
  readonly #waveformFaults = new Map<string, string>();
  #linkFault: SmEdgeError | undefined;
  #lastLogged = '';
  #downTimer: Timer | undefined;

  constructor(config: ModbusConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#link = this.#makeLink(config.connection);
    for (const [index, unit] of config.units.entries()) this.#addUnit(index, unit);
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  async start(): Promise<void> {
    this.#link.start();
    for (const [index, poller] of this.#pollers.entries()) {
      poller.start(this.#phaseMs(index, this.#config.units[index]!.interval));
    }
    for (const waveform of this.#waveforms) waveform.start(this.#deps.random() * 1_000);
  }

  async stop(): Promise<void> {
    if (this.status.state === 'stopped') return;
    this.#downTimer?.cancel();
    const stopping = [...this.#pollers, ...this.#waveforms].map((poller) => poller.stop());
    await this.#link.stop();
    await Promise.all(stopping);
    this.#status.set('stopped');
  }

  /** Spread over the interval, at most a second: nobody waits long for the first values. */
  #phaseMs(index: number, intervalMs: number): number {
    return (Math.min(intervalMs, 1_000) * index) / this.#config.units.length;
  }

  #makeLink(connection: ConnectionConfig): ModbusLink {
    const { clock, random, metrics, logger } = this.#deps;
    const source = this.#config.id;
    const discarded = metrics.counter(
      'sm_edge_modbus_discarded_answers_total',
      'Answers that were not to the request at hand: late, repeated, of another unit',
      ['source', 'reason'],
    );
    const garbage = metrics.counter(
      'sm_edge_modbus_garbage_bytes_total',
      'Bytes on the line that belong to no frame',
      ['source'],
    );
    const connections = metrics.counter('sm_edge_modbus_connections_total', 'Links opened', ['source']);
    const losses = metrics.counter(
      'sm_edge_modbus_connection_losses_total',
      'Links lost, and attempts to open one that failed',
      ['source'],
    );
    return new ModbusLink({
      clock,
      random,
      target: targetOf(connection),
      framing: connection.transport === 'tcp' ? 'mbap' : 'rtu',
      timeoutMs: connection.timeout,
      connectTimeoutMs: connection.connectTimeout,
      turnaroundMs: connection.turnaround,
      silenceMs: silenceMs(connection),
      abandonSilent: connection.transport !== 'rtu',
      onDiscarded: (reason) => discarded.inc({ source, reason }),
      onGarbage: (bytes) => garbage.inc({ source }, bytes),
      onUp: () => {
        connections.inc({ source });
        logger.info({ link: this.#link.name }, 'Modbus link open');
        this.#lastLogged = '';
        this.#linkFault = undefined;
        this.#downTimer?.cancel();
        this.#downTimer = undefined;
        for (const breaker of this.#breakers.values()) breaker.reset();
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
    });
  }

  #addUnit(index: number, unit: ModbusConfig['units'][number]): void {
    const { clock, random, metrics, sink } = this.#deps;
    const { unitId } = unit;
    const breaker = this.#breakers.get(unitId) ?? new Breaker(random);
    this.#breakers.set(unitId, breaker);
    const labels = { source: this.#config.id, unit: String(unitId) };
    const counters = {
      requests: metrics.counter('sm_edge_modbus_requests_total', 'Requests sent', ['source', 'unit']),
      timeouts: metrics.counter('sm_edge_modbus_timeouts_total', 'Requests without an answer in time', [
        'source',
        'unit',
      ]),
      exceptions: metrics.counter('sm_edge_modbus_exceptions_total', 'Exceptions answered', [
        'source',
        'unit',
      ]),
      overruns: metrics.counter(
        'sm_edge_modbus_overruns_total',
        'Polls left out since the one before was not done',
        ['source', 'unit'],
      ),
      waveforms: metrics.counter('sm_edge_modbus_waveforms_total', 'Waveforms fetched', ['source', 'unit']),
      waveform_faults: metrics.counter('sm_edge_modbus_waveform_faults_total', 'Waveforms not to be had', [
        'source',
        'unit',
      ]),
    };
    const count = (what: keyof typeof counters) => counters[what].inc(labels);
    const request = this.#link.request.bind(this.#link);
    this.#pollers.push(
      new UnitPoller(unit, {
        clock,
        breaker,
        request,
        count,
        retries: this.#config.connection.retries,
        isUp: () => this.#link.isUp,
        isDown: () => this.#linkFault !== undefined,
        emit: (readings) => sink.offer({ readings }),
        onPolled: (refused) => {
          this.#refused.set(index, refused);
          this.#judge();
        },
      }),
    );
    for (const waveform of unit.waveforms) {
      this.#waveforms.push(
        new WaveformPoller(waveform, {
          clock,
          unitId,
          request,
          count,
          maxRegisters: unit.maxRegisters,
          isReachable: () => this.#link.isUp && !breaker.isOpen,
          emit: (block) => {
            sink.offer({ blocks: [block] });
            if (this.#waveformFaults.delete(waveform.point)) this.#judge();
          },
          onFault: (point, error) => {
            this.#waveformFaults.set(point, error.message);
            this.#judge();
          },
        }),
      );
    }
  }

  /** The state of the source from the state of its link, its units and its points. */
  #judge(downState: 'degraded' | 'failed' = 'degraded'): void {
    if (this.status.state === 'stopped') return;
    const fault = this.#linkFault;
    if (fault !== undefined) {
      const reason = fault.hint === undefined ? fault.message : `${fault.message}; ${fault.hint}`;
      this.#status.set(this.status.state === 'failed' ? 'failed' : downState, reason);
      return;
    }
    const dead = [...this.#breakers].filter(([, breaker]) => breaker.isOpen).map(([unitId]) => unitId);
    const refused = [...this.#refused.values()].flat();
    const faults = [...this.#waveformFaults.values()];
    const reasons = [
      ...(dead.length === 0 ? [] : [`no answer from unit ${list(dead)}`]),
      ...(refused.length === 0 ? [] : [`the device refuses ${list(refused)}`]),
      ...faults.slice(0, 3),
    ];
    const all = dead.length === this.#breakers.size;
    this.#status.set(all ? 'failed' : reasons.length > 0 ? 'degraded' : 'good', reasons.join('; '));
  }
}

const list = (items: readonly (string | number)[]): string =>
  `${items.slice(0, 5).join(', ')}${items.length > 5 ? ` and ${items.length - 5} more` : ''}`;

function targetOf(connection: ConnectionConfig): LineTarget {
  if (connection.transport !== 'rtu') return { host: connection.host, port: connection.port };
  const { path, baudRate, dataBits, parity, stopBits, rtscts } = connection;
  return { path, baudRate, dataBits, parity, stopBits, rtscts };
}

/**
 * Quiet that ends an RTU frame: 3.5 characters, 1.75 ms from 19,200 baud on (Modbus over Serial Line V1.02, clause
 * 2.5.1.1), and no less than a timer can tell.
 */
function silenceMs(connection: ConnectionConfig): number {
  if (connection.transport === 'tcp') return 0;
  if (connection.silence !== undefined) return connection.silence;
  if (connection.transport === 'rtu-over-tcp') return 5;
  const bitsPerCharacter =
    1 + connection.dataBits + (connection.parity === 'none' ? 0 : 1) + connection.stopBits;
  return Math.max(2, (3.5 * bitsPerCharacter * 1000) / connection.baudRate);
}

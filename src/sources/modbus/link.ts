import type { Duplex } from 'node:stream';
import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { type LineTarget, lineName } from '../line.js';
import { LineKeeper } from '../line-keeper.js';
import { Exchange, type ExchangeOptions, rtuMemory } from './exchange.js';
import type { Request } from './protocol.js';

/** Every unit has one request waiting at most; this is past any config. */
const MAX_WAITING = 1_024;

export interface LinkOptions extends Omit<ExchangeOptions, 'clock' | 'rtu'> {
  readonly framing: 'mbap' | 'rtu';
  readonly target: LineTarget;
  readonly connectTimeoutMs: number;
  /** Pause between an answer and the next request, ms: slow devices need it. */
  readonly turnaroundMs: number;
  readonly clock: Clock;
  readonly random: Random;
  onUp(): void;
  /** At every failed attempt and every loss; `wasUp` tells a loss. */
  onDown(fault: SmEdgeError, wasUp: boolean): void;
}

interface Job {
  readonly request: Request;
  resolve(data: Buffer): void;
  reject(error: unknown): void;
}

/** One physical link: kept open for ever, and one request on it at a time, in order, for all its units. */
export class ModbusLink {
  readonly #options: LinkOptions;
  readonly #exchangeOptions: ExchangeOptions;
  readonly #keeper: LineKeeper;
  readonly #stopped = new AbortController();
  #exchange: Exchange | undefined;
  #jobs: Job[] = [];
  #busy = false;
  #wake: Timer | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#exchangeOptions =
      options.framing === 'rtu' ? { ...options, rtu: rtuMemory(options.timeoutMs) } : options;
    this.#keeper = new LineKeeper({ ...options, serve: (stream) => this.#serveLine(stream) });
  }

  get isUp(): boolean {
    return this.#exchange !== undefined;
  }

  start(): void {
    this.#keeper.start();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake?.cancel();
    this.#exchange?.destroy();
    this.#rejectAll(linkDown('stopped'));
    await this.#keeper.stop();
  }

  /** The data of the answer; rejects as `Exchange.transact` does, with `LINE_DOWN` at once while there is no link. */
  request(request: Request): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#exchange === undefined) return reject(linkDown('no connection'));
      if (this.#jobs.length >= MAX_WAITING) return reject(linkDown('too many requests wait'));
      this.#jobs.push({ request, resolve, reject });
      this.#pump();
    });
  }

  /** Serves the first request whose unit may be asked now: a unit in quarantine holds nobody up. */
  #pump(): void {
    const exchange = this.#exchange;
    if (this.#busy || exchange === undefined || this.#jobs.length === 0) return;
    this.#wake?.cancel();
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const [index, job] of this.#jobs.entries()) {
      const waitMs = exchange.waitMs(job.request.unitId);
      if (waitMs === 0) {
        this.#jobs.splice(index, 1);
        void this.#serve(exchange, job);
        return;
      }
      soonestMs = Math.min(soonestMs, waitMs);
    }
    this.#wake = this.#options.clock.setTimer('modbus quarantine', Math.ceil(soonestMs), () => this.#pump());
  }

  async #serve(exchange: Exchange, job: Job): Promise<void> {
    const { clock, turnaroundMs } = this.#options;
    this.#busy = true;
    try {
      job.resolve(await exchange.transact(job.request));
    } catch (error) {
      job.reject(error);
    }
    if (turnaroundMs > 0) await sleep(clock, 'modbus turnaround', turnaroundMs, this.#stopped.signal);
    this.#busy = false;
    this.#pump();
  }

  async #serveLine(stream: Duplex): Promise<SmEdgeError> {
    const exchange = new Exchange(stream, this.#exchangeOptions);
    this.#exchange = exchange;
    if (this.#stopped.signal.aborted) exchange.destroy();
    else this.#options.onUp();
    const fault = await exchange.closed;
    this.#exchange = undefined;
    this.#wake?.cancel();
    this.#rejectAll(fault);
    return fault;
  }

  #rejectAll(fault: SmEdgeError): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    for (const job of jobs) job.reject(fault);
  }

  get name(): string {
    return lineName(this.#options.target);
  }
}

const linkDown = (message: string): SmEdgeError => new SmEdgeError('LINE_DOWN', message, { retryable: true });

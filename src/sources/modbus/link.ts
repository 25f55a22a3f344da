import type { Duplex } from 'node:stream';
import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { type LineTarget, lineName } from '../line.js';
import { LineKeeper } from '../line-keeper.js';
import { Exchange, type ExchangeOptions, rtuMemory } from './exchange.js';
import { LinkUnits } from './link-unit.js';
import type { Request } from './protocol.js';
import { type Priority, RequestQueue } from './request-queue.js';

/** Successive phases fall into the widest gaps, however many there will be: the golden ratio. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

export interface LinkOptions extends Omit<ExchangeOptions, 'clock' | 'rtu'> {
  readonly framing: 'mbap' | 'rtu';
  readonly target: LineTarget;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Whoever uses a link: a source, a tool. */
export interface LinkUser {
  /** Longest pause between two attempts to open the link that this user likes to wait, ms. */
  readonly maxReconnectMs: number;
  onUp(): void;
  /** At every failed attempt and every loss; `wasUp` tells a loss. */
  onDown(fault: SmEdgeError, wasUp: boolean): void;
}

export interface RequestRules {
  /** Deadline; that of the link where it is missing. A probe of a dead unit has a shorter one. */
  readonly timeoutMs?: number | undefined;
  readonly priority?: Priority;
  /** Pause between the answer and the next request on the link, ms: slow devices need it. */
  readonly turnaroundMs?: number;
  /** Whose request it is: what still waits when that user leaves is dropped. */
  readonly user?: LinkUser;
}

interface Job {
  readonly unitId: number;
  readonly request: Request;
  readonly rules: RequestRules;
  resolve(data: Buffer): void;
  reject(error: unknown): void;
}

/** One physical link: kept open while it has users, and one request on it at a time, for all of them. */
export class ModbusLink {
  readonly units: LinkUnits;
  readonly #options: LinkOptions;
  readonly #exchangeOptions: ExchangeOptions;
  readonly #keeper: LineKeeper;
  readonly #users = new Set<LinkUser>();
  readonly #stopped = new AbortController();
  readonly #queue: RequestQueue<Job>;
  #exchange: Exchange | undefined;
  #lastFault: SmEdgeError | undefined;
  #busy = false;
  #wake: Timer | undefined;
  #phases = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { clock } = options;
    this.units = new LinkUnits(options);
    this.#queue = new RequestQueue(clock);
    this.#exchangeOptions =
      options.framing === 'rtu' ? { ...options, rtu: rtuMemory(options.timeoutMs) } : options;
    this.#keeper = new LineKeeper({
      ...options,
      maxDelayMs: () => Math.min(...[...this.#users].map(({ maxReconnectMs }) => maxReconnectMs)),
      serve: (stream) => this.#serveLine(stream),
      onDown: (fault, wasUp) => {
        this.#lastFault = fault;
        for (const user of this.#users) user.onDown(fault, wasUp);
      },
    });
  }

  get isUp(): boolean {
    return this.#exchange !== undefined;
  }

  get name(): string {
    return lineName(this.#options.target);
  }

  /** Adds a user; the first one opens the link. A later one hears at once how the link is. */
  attach(user: LinkUser): void {
    this.#users.add(user);
    if (this.isUp) user.onUp();
    else if (this.#lastFault !== undefined) user.onDown(this.#lastFault, false);
    this.#keeper.start();
  }

  detach(user: LinkUser): void {
    this.#users.delete(user);
    for (const job of this.#queue.remove(({ rules }) => rules.user === user)) job.reject(linkDown('stopped'));
  }

  /** Where in its interval the next poll group of this link is to start, 0 to 1. */
  nextPhase(): number {
    return (this.#phases++ * GOLDEN) % 1;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake?.cancel();
    this.#exchange?.destroy();
    this.#rejectAll(linkDown('stopped'));
    await this.#keeper.stop();
  }

  /** The data of the answer; rejects as `Exchange.transact` does, with `LINE_DOWN` at once while there is no link. */
  request(request: Request, rules: RequestRules = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#exchange === undefined) return reject(linkDown('no connection'));
      const { unitId } = request;
      const job = { unitId, request, rules, resolve, reject };
      if (!this.#queue.push(job, rules.priority ?? 'normal'))
        return reject(linkDown('too many requests wait'));
      this.#pump();
    });
  }

  /** Serves the request of the highest priority whose unit may be asked now: a unit in quarantine holds nobody up. */
  #pump(): void {
    const exchange = this.#exchange;
    if (this.#busy || exchange === undefined || this.#queue.isEmpty) return;
    this.#wake?.cancel();
    let soonestMs = Number.POSITIVE_INFINITY;
    const job = this.#queue.take(({ unitId }) => {
      const waitMs = exchange.waitMs(unitId);
      soonestMs = Math.min(soonestMs, waitMs === 0 ? soonestMs : waitMs);
      return waitMs === 0;
    });
    if (job !== undefined) void this.#serve(exchange, job);
    else
      this.#wake = this.#options.clock.setTimer('modbus quarantine', Math.ceil(soonestMs), () =>
        this.#pump(),
      );
  }

  async #serve(exchange: Exchange, { unitId, request, rules, resolve, reject }: Job): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const unit = this.units.of(unitId);
    const wantedMs = rules.timeoutMs ?? timeoutMs;
    this.#busy = true;
    const startMs = clock.monotonicMs();
    try {
      const deadlineMs = unit.breaker.isOpen ? Math.min(wantedMs, unit.probeTimeoutMs) : wantedMs;
      const data = await exchange.transact(request, deadlineMs);
      unit.answered(clock.monotonicMs() - startMs);
      resolve(data);
    } catch (error) {
      reject(error);
    }
    const { turnaroundMs = 0 } = rules;
    if (turnaroundMs > 0) await sleep(clock, 'modbus turnaround', turnaroundMs, this.#stopped.signal);
    this.#busy = false;
    this.#pump();
  }

  async #serveLine(stream: Duplex): Promise<SmEdgeError> {
    const exchange = new Exchange(stream, this.#exchangeOptions);
    this.#exchange = exchange;
    if (this.#stopped.signal.aborted) exchange.destroy();
    else {
      this.#lastFault = undefined;
      this.units.reset();
      for (const user of this.#users) user.onUp();
    }
    const fault = await exchange.closed;
    this.#exchange = undefined;
    this.#wake?.cancel();
    this.#rejectAll(fault);
    return fault;
  }

  #rejectAll(fault: SmEdgeError): void {
    for (const job of this.#queue.remove(() => true)) job.reject(fault);
  }
}

const linkDown = (message: string): SmEdgeError => new SmEdgeError('LINE_DOWN', message, { retryable: true });

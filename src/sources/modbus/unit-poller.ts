import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import type { UnitConfig } from './config.js';
import { placePoint } from './config-point.js';
import type { LinkUnit } from './link-unit.js';
import { planRequests, splitRequest } from './plan.js';
import { type Planned, PointReader } from './point-reader.js';
import type { Request } from './protocol.js';

/** Requests that had to be split are tried whole again after this time: the device may have been starting. */
const REPLAN_MS = 10 * 60_000;
/** A point that the device refuses by itself is asked for again so often: it costs a request each time. */
const REFUSED_MS = 10_000;
/** Busy (6) and acknowledge (5): asked again after 100, 200, 400 ms. */
const BUSY_RETRIES = 3;
const BUSY_DELAY_MS = 100;

export interface PollerDeps {
  readonly clock: Clock;
  readonly unit: LinkUnit;
  readonly retries: number;
  readonly request: (request: Request) => Promise<Buffer>;
  readonly isUp: () => boolean;
  /** Is the link known to be down, rather than not open yet? */
  readonly isDown: () => boolean;
  readonly emit: (readings: Reading[]) => void;
  readonly onText: (point: string, text: string) => void;
  readonly count: (what: 'requests' | 'timeouts' | 'exceptions' | 'overruns') => void;
  /** After each poll, with the points that the device refuses. */
  readonly onPolled: (refused: readonly string[]) => void;
}

/** Polls the points of one unit at their interval. */
export class UnitPoller {
  readonly #unit: UnitConfig;
  readonly #deps: PollerDeps;
  readonly #stopped = new AbortController();
  readonly #reader: PointReader;
  /** When a point that the device refuses by itself is asked for again, by request. */
  readonly #askAgainMs = new Map<Planned, number>();
  #requests: Planned[];
  #replanAtMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #polling: Promise<void> | undefined;
  #dueMs = 0;
  #outageReported = false;

  constructor(unit: UnitConfig, deps: PollerDeps) {
    this.#unit = unit;
    this.#deps = deps;
    this.#reader = new PointReader(deps.clock, deps.onText);
    this.#requests = this.#plan();
  }

  /** `phaseMs`: so that the units of a line do not all ask at the same moment. */
  start(phaseMs: number): void {
    if (this.#unit.points.length === 0) return;
    this.#dueMs = this.#deps.clock.monotonicMs() + phaseMs;
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#timer?.cancel();
    await this.#polling;
  }

  /** Polls out of turn, when the link is back: its points are stale. */
  pollNow(): void {
    if (this.#unit.points.length === 0 || this.#polling !== undefined || this.#stopped.signal.aborted) return;
    this.#begin();
  }

  #plan(): Planned[] {
    return planRequests(this.#unit.points.map(placePoint), this.#unit);
  }

  #schedule(): void {
    const { clock } = this.#deps;
    this.#timer = clock.setTimer('modbus poll', this.#dueMs - clock.monotonicMs(), () => this.#tick());
  }

  #tick(): void {
    const { clock, count } = this.#deps;
    const { interval } = this.#unit;
    // A late timer skips what it missed; the phase stays.
    const missed = Math.floor((clock.monotonicMs() - this.#dueMs) / interval);
    this.#dueMs += interval * (missed + 1);
    if (this.#polling !== undefined) count('overruns');
    else this.#begin();
    this.#schedule();
  }

  #begin(): void {
    this.#polling = this.#poll().finally(() => {
      this.#polling = undefined;
    });
  }

  async #poll(): Promise<void> {
    const { clock, unit, isUp, isDown, emit, onPolled } = this.#deps;
    const reader = this.#reader;
    if (!isUp()) {
      if (isDown() && !this.#outageReported) {
        emit(reader.lost(this.#requests, 'timeout'));
        this.#outageReported = true;
      }
      return;
    }
    if (!unit.breaker.allows(clock.monotonicMs())) return;
    if (clock.monotonicMs() >= this.#replanAtMs) {
      this.#requests = this.#plan();
      this.#askAgainMs.clear();
      this.#replanAtMs = Number.POSITIVE_INFINITY;
    }
    const readings: Reading[] = [];
    const refused: string[] = [];
    const asked: Planned[] = [];
    const open = [...this.#requests];
    for (let request = open.shift(); request !== undefined; request = open.shift()) {
      const answer = await this.#ask(request);
      if (this.#stopped.signal.aborted) break;
      if (Buffer.isBuffer(answer)) {
        this.#outageReported = false;
        readings.push(...reader.read(request, answer));
      } else if (answer === 'refused' || isRefusal(answer)) {
        if (answer !== 'refused' && isAddressFault(answer) && request.points.length > 1) {
          open.unshift(...splitRequest(request));
          this.#replanAtMs = clock.monotonicMs() + REPLAN_MS;
          continue;
        }
        if (answer !== 'refused' && isLasting(answer))
          this.#askAgainMs.set(request, clock.monotonicMs() + REFUSED_MS);
        refused.push(...request.points.map(({ config }) => config.point));
        readings.push(...reader.lost([request], 'device-error'));
      } else {
        readings.push(...reader.lost([request], 'timeout'));
        if (unit.breaker.isOpen || !isUp()) {
          readings.push(...reader.lost(open, 'timeout'));
          asked.push(request, ...open);
          break;
        }
      }
      asked.push(request);
    }
    if (this.#stopped.signal.aborted) return;
    this.#requests = asked;
    if (readings.length > 0) emit(readings);
    onPolled(refused);
  }

  /** As `#read`; what the device refused a moment ago is not asked for. */
  async #ask(request: Planned): Promise<Buffer | SmEdgeError | 'refused'> {
    if (this.#deps.clock.monotonicMs() < (this.#askAgainMs.get(request) ?? 0)) return 'refused';
    this.#askAgainMs.delete(request);
    return this.#read(request);
  }

  /** The answer, or why there is none, after the retries that are worth their time. */
  async #read(planned: Planned): Promise<Buffer | SmEdgeError> {
    const { clock, unit, count, retries, request } = this.#deps;
    const { breaker } = unit;
    const { table, address, quantity } = planned;
    let silences = 0;
    for (let busy = 0; ; ) {
      const wasSuspect = breaker.isSuspect;
      count('requests');
      try {
        const data = await request({ unitId: this.#unit.unitId, table, address, quantity });
        breaker.succeed();
        return data;
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        if (error.code === 'MODBUS_EXCEPTION') {
          count('exceptions');
          if (!isGatewayFault(error)) breaker.succeed();
          else if (wasSuspect || busy >= waitsWorthwhile(error)) unit.fail(clock.monotonicMs(), error);
          if (busy >= waitsWorthwhile(error) || breaker.isSuspect) return error;
          await sleep(clock, 'modbus busy', BUSY_DELAY_MS * 2 ** busy++, this.#stopped.signal);
        } else {
          if (error.code === 'MODBUS_TIMEOUT') {
            count('timeouts');
            unit.fail(clock.monotonicMs(), error);
          }
          if (error.code === 'LINE_DOWN' || breaker.isOpen) return error;
          if (silences++ >= retries || (wasSuspect && error.code === 'MODBUS_TIMEOUT')) return error;
        }
        if (this.#stopped.signal.aborted) return error;
      }
    }
  }
}

const exceptionOf = (error: SmEdgeError): unknown => error.details.exception;

/** Exceptions 2 and 3: one register of the request is illegal, or the length is. */
const isAddressFault = (error: SmEdgeError): boolean =>
  error.code === 'MODBUS_EXCEPTION' && (exceptionOf(error) === 2 || exceptionOf(error) === 3);

/** Exceptions 1 to 3: the device has no such register, which will not change within seconds. */
const isLasting = (error: SmEdgeError): boolean => exceptionOf(error) === 1 || isAddressFault(error);

/** Exceptions 10 and 11: a gateway answers for a unit that does not. */
const isGatewayFault = (error: SmEdgeError): boolean =>
  error.code === 'MODBUS_EXCEPTION' && (exceptionOf(error) === 10 || exceptionOf(error) === 11);

/** The device answered that it will not: anything but "later" and "the gateway cannot reach it". */
const isRefusal = (error: SmEdgeError): boolean =>
  error.code === 'MODBUS_EXCEPTION' && !isGatewayFault(error);

/**
 * How often an exception is waited for to pass (Modbus Application Protocol, clause 7): 5 and 6 say that the device is
 * at work and is to be asked later; 10 may be a gateway that is overloaded, and is given one more chance.
 */
function waitsWorthwhile(error: SmEdgeError): number {
  const exception = exceptionOf(error);
  if (exception === 5 || exception === 6) return BUSY_RETRIES;
  return exception === 10 ? 1 : 0;
}

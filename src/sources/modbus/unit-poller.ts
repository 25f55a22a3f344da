import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { QualityReason } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import { scalarReading } from '../scalar.js';
import type { Breaker } from './breaker.js';
import { type PlacedPoint, placePoint, type UnitConfig } from './config.js';
import { type PlannedRequest, planRequests, splitRequest } from './plan.js';
import { isBitTable, type Request } from './protocol.js';
import { decodeBit, decodeValue } from './values.js';

/** Requests that had to be split are tried whole again after this time: the device may have been starting. */
const REPLAN_MS = 10 * 60_000;
/** A value that does not change beyond its deadband is reported this often all the same. */
const DEADBAND_SILENCE_MS = 60_000;
/** Busy (6) and acknowledge (5): asked again after 100, 200, 400 ms. */
const BUSY_RETRIES = 3;
const BUSY_DELAY_MS = 100;

export interface PollerDeps {
  readonly clock: Clock;
  readonly retries: number;
  readonly request: (request: Request) => Promise<Buffer>;
  readonly isUp: () => boolean;
  /** Is the link known to be down, rather than not open yet? */
  readonly isDown: () => boolean;
  readonly breaker: Breaker;
  readonly emit: (readings: Reading[]) => void;
  readonly count: (what: 'requests' | 'timeouts' | 'exceptions' | 'overruns') => void;
  /** After each poll, with the points that the device refuses. */
  readonly onPolled: (refused: readonly string[]) => void;
}

type Planned = PlannedRequest<PlacedPoint>;

/** Polls the points of one unit at their interval. */
export class UnitPoller {
  readonly #unit: UnitConfig;
  readonly #deps: PollerDeps;
  readonly #stopped = new AbortController();
  readonly #reported = new Map<string, Reading>();
  #requests: Planned[];
  #replanAtMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #polling: Promise<void> | undefined;
  #dueMs = 0;
  #outageReported = false;

  constructor(unit: UnitConfig, deps: PollerDeps) {
    this.#unit = unit;
    this.#deps = deps;
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
    const { clock, breaker, isUp, isDown, emit, onPolled } = this.#deps;
    if (!isUp()) {
      if (isDown() && !this.#outageReported) {
        emit(this.#lost(this.#requests, 'timeout'));
        this.#outageReported = true;
      }
      return;
    }
    if (!breaker.allows(clock.monotonicMs())) return;
    if (clock.monotonicMs() >= this.#replanAtMs) {
      this.#requests = this.#plan();
      this.#replanAtMs = Number.POSITIVE_INFINITY;
    }
    const readings: Reading[] = [];
    const refused: string[] = [];
    const asked: Planned[] = [];
    const open = [...this.#requests];
    for (let request = open.shift(); request !== undefined; request = open.shift()) {
      const answer = await this.#read(request);
      if (this.#stopped.signal.aborted) break;
      if (Buffer.isBuffer(answer)) {
        this.#outageReported = false;
        readings.push(...this.#decode(request, answer));
      } else if (isAddressFault(answer) && request.points.length > 1) {
        open.unshift(...splitRequest(request));
        this.#replanAtMs = clock.monotonicMs() + REPLAN_MS;
        continue;
      } else if (answer.code === 'MODBUS_EXCEPTION' && !isGatewayFault(answer)) {
        refused.push(...request.points.map(({ config }) => config.point));
        readings.push(...this.#lost([request], 'device-error'));
      } else {
        readings.push(...this.#lost([request], 'timeout'));
        if (breaker.isOpen || !isUp()) {
          readings.push(...this.#lost(open, 'timeout'));
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

  /** The answer, or why there is none, after the retries that are worth their time. */
  async #read(planned: Planned): Promise<Buffer | SmEdgeError> {
    const { clock, breaker, count, retries, request } = this.#deps;
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
          const { exception } = error.details;
          if (isGatewayFault(error)) breaker.fail(clock.monotonicMs());
          else breaker.succeed();
          if ((exception !== 5 && exception !== 6) || busy >= BUSY_RETRIES) return error;
          await sleep(clock, 'modbus busy', BUSY_DELAY_MS * 2 ** busy++, this.#stopped.signal);
        } else {
          if (error.code === 'MODBUS_TIMEOUT') {
            count('timeouts');
            breaker.fail(clock.monotonicMs());
          }
          if (error.code === 'LINE_DOWN' || breaker.isOpen) return error;
          if (silences++ >= retries || (wasSuspect && error.code === 'MODBUS_TIMEOUT')) return error;
        }
        if (this.#stopped.signal.aborted) return error;
      }
    }
  }

  #decode(request: Planned, data: Buffer): Reading[] {
    const timeMs = this.#deps.clock.nowMs();
    const bits = isBitTable(request.table);
    const readings: Reading[] = [];
    for (const { config, address, shape } of request.points) {
      const at = address - request.address;
      const raw = bits ? decodeBit(data, at) : decodeValue(data, at * 2, shape);
      const reading = scalarReading(config.point, timeMs, raw, config);
      if (config.deadband === undefined || this.#changed(reading, config.deadband)) readings.push(reading);
    }
    return readings;
  }

  #changed(reading: Reading, deadband: number): boolean {
    const last = this.#reported.get(reading.point);
    const same =
      last !== undefined &&
      last.quality === reading.quality &&
      last.reason === reading.reason &&
      reading.timeMs - last.timeMs < DEADBAND_SILENCE_MS &&
      !(Math.abs(reading.value - last.value) >= deadband);
    if (!same) this.#reported.set(reading.point, reading);
    return !same;
  }

  #lost(requests: readonly Planned[], reason: QualityReason): Reading[] {
    const timeMs = this.#deps.clock.nowMs();
    return requests.flatMap(({ points }) =>
      points.map(({ config: { point, unit } }): Reading => {
        this.#reported.delete(point);
        return { point, timeMs, value: Number.NaN, unit, quality: 'bad', reason };
      }),
    );
  }
}

const exceptionOf = (error: SmEdgeError): unknown => error.details.exception;

/** Exceptions 2 and 3: one register of the request is illegal, or the length is. */
const isAddressFault = (error: SmEdgeError): boolean =>
  error.code === 'MODBUS_EXCEPTION' && (exceptionOf(error) === 2 || exceptionOf(error) === 3);

/** Exceptions 10 and 11: a gateway answers for a unit that does not. */
const isGatewayFault = (error: SmEdgeError): boolean =>
  error.code === 'MODBUS_EXCEPTION' && (exceptionOf(error) === 10 || exceptionOf(error) === 11);

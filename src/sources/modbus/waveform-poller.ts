import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { WaveformConfig } from './config-waveform.js';
import { isBitTable, MAX_REGISTERS, type Request } from './protocol.js';
import { commandRequest, decodeSamples } from './samples.js';
import { decodeBit, registersOf } from './values.js';

/** The ready flag is looked at this often at first; ever more seldom, up to the second value. */
const READY_POLL_MS = 20;
const READY_POLL_MAX_MS = 500;
/** A request of a waveform is repeated so often: the whole measurement is lost otherwise. */
const ATTEMPTS = 3;
/** Busy (6) and acknowledge (5): asked again after 100, 200, 400 … ms, so often. */
const BUSY_RETRIES = 5;
const BUSY_DELAY_MS = 100;

export interface WaveformDeps {
  readonly clock: Clock;
  readonly unitId: number;
  readonly maxRegisters: number;
  readonly request: (request: Request) => Promise<Buffer>;
  /** Is the unit there to be asked? */
  readonly isReachable: () => boolean;
  readonly emit: (block: SampleBlock) => void;
  /** The waveform cannot be had; undefined when it can again. */
  readonly onFault: (point: string, error: SmEdgeError | undefined) => void;
  readonly count: (what: 'requests' | 'overruns' | 'waveforms' | 'waveform_faults') => void;
}

/** Fetches one waveform at its interval: trigger, wait for the flag, read page after page. */
export class WaveformPoller {
  readonly #config: WaveformConfig;
  readonly #deps: WaveformDeps;
  readonly #stopped = new AbortController();
  #timer: Timer | undefined;
  #fetching: Promise<void> | undefined;

  constructor(config: WaveformConfig, deps: WaveformDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  start(phaseMs: number): void {
    this.#timer = this.#deps.clock.setTimer('modbus waveform', phaseMs, () => {
      this.start(this.#config.interval);
      if (this.#fetching !== undefined) this.#deps.count('overruns');
      else if (this.#deps.isReachable()) this.#begin();
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#timer?.cancel();
    await this.#fetching;
  }

  #begin(): void {
    const { emit, onFault, count } = this.#deps;
    this.#fetching = this.#fetch()
      .then(
        (block) => {
          count('waveforms');
          emit(block);
          onFault(this.#config.point, undefined);
        },
        (thrown) => {
          if (this.#stopped.signal.aborted) return;
          count('waveform_faults');
          onFault(this.#config.point, toSmEdgeError(thrown));
        },
      )
      .finally(() => {
        this.#fetching = undefined;
      });
  }

  async #fetch(): Promise<SampleBlock> {
    const { trigger, done, point, unit, sampleRateHz, samples: count } = this.#config;
    const { unitId, clock } = this.#deps;
    const triggeredAtMs = clock.nowMs();
    if (trigger !== undefined) {
      await this.#trigger(commandRequest(unitId, trigger));
    }
    await this.#untilReady();
    // With a trigger the samples follow it; without one they end where the flag is seen.
    const startTimeMs = trigger === undefined ? clock.nowMs() - (count * 1000) / sampleRateHz : triggeredAtMs;
    const samples = decodeSamples(await this.#readAll(), this.#config, count);
    if (done !== undefined) await this.#ask(commandRequest(unitId, done));
    const finite = samples.every(Number.isFinite);
    return {
      point,
      startTimeMs,
      sampleRateHz,
      unit,
      samples,
      ...(finite ? { quality: 'good' } : { quality: 'bad', reason: 'not-a-number' }),
    };
  }

  async #untilReady(): Promise<void> {
    const { ready, readyTimeout } = this.#config;
    const { clock, unitId } = this.#deps;
    const untilMs = clock.monotonicMs() + readyTimeout;
    for (let pauseMs = READY_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, READY_POLL_MAX_MS)) {
      const flag = await this.#ask({ unitId, table: ready.register, address: ready.address, quantity: 1 });
      const value = isBitTable(ready.register) ? decodeBit(flag, 0) : flag.readUInt16BE(0);
      if ((value & (ready.mask ?? 0xffff)) === ready.value) return;
      if (clock.monotonicMs() >= untilMs) {
        throw new SmEdgeError('MODBUS_NOT_READY', `no samples within ${readyTimeout} ms`, {
          retryable: true,
          hint: `register ${ready.address} never became ${ready.value}: check trigger, ready and readyTimeout`,
        });
      }
      await sleep(clock, 'modbus ready flag', pauseMs, this.#stopped.signal);
    }
  }

  async #readAll(): Promise<Buffer> {
    const { page, samples, type } = this.#config;
    const { unitId } = this.#deps;
    const wanted = samples * registersOf(type);
    const perPage = page?.registers ?? wanted;
    const parts: Buffer[] = [];
    for (let done = 0; done < wanted; done += perPage) {
      if (page !== undefined) {
        await this.#ask({ unitId, write: 'holding', address: page.address, values: [done / perPage] });
      }
      parts.push(await this.#readRun(Math.min(perPage, wanted - done)));
    }
    return Buffer.concat(parts);
  }

  async #readRun(registers: number): Promise<Buffer> {
    const { address, register } = this.#config;
    const { unitId, maxRegisters } = this.#deps;
    const most = Math.min(maxRegisters, MAX_REGISTERS);
    const parts: Buffer[] = [];
    for (let at = 0; at < registers; at += most) {
      const quantity = Math.min(most, registers - at);
      parts.push(await this.#ask({ unitId, table: register, address: address + at, quantity }));
    }
    return Buffer.concat(parts);
  }

  /** Acknowledge (5) says that the measurement has begun: a second trigger would begin it anew. */
  async #trigger(request: Request): Promise<void> {
    try {
      await this.#ask(request, 5);
    } catch (thrown) {
      if (toSmEdgeError(thrown).details.exception !== 5) throw thrown;
    }
  }

  /** `final`: an exception that is not waited for to pass. */
  async #ask(request: Request, final?: number): Promise<Buffer> {
    let busy = 0;
    for (let attempt = 1; ; ) {
      if (this.#stopped.signal.aborted) throw new SmEdgeError('STOPPED', 'the source stops');
      this.#deps.count('requests');
      try {
        return await this.#deps.request(request);
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        const { exception } = error.details;
        if (!error.retryable || error.code === 'LINE_DOWN') throw error;
        if (final !== undefined && exception === final) throw error;
        if (exception === 5 || exception === 6) {
          if (busy >= BUSY_RETRIES) throw error;
          const pauseMs = BUSY_DELAY_MS * 2 ** busy++;
          await sleep(this.#deps.clock, 'modbus busy', pauseMs, this.#stopped.signal);
        } else if (attempt++ >= ATTEMPTS) throw error;
      }
    }
  }
}

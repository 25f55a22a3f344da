import { type Clock, sleep, type Timer } from '../../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { calibrationLine, calibrationOf } from '../../signals/calibration.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { WaveformConfig } from './config-waveform.js';
import { MAX_REGISTERS, type Request } from './protocol.js';
import { decodeValue, naturalOrder, registersOf } from './values.js';

/** The ready flag is looked at this often at first; ever more seldom, up to the second value. */
const READY_POLL_MS = 20;
const READY_POLL_MAX_MS = 500;
/** A request of a waveform is repeated so often: the whole measurement is lost otherwise. */
const ATTEMPTS = 3;

export interface WaveformDeps {
  readonly clock: Clock;
  readonly unitId: number;
  readonly maxRegisters: number;
  readonly request: (request: Request) => Promise<Buffer>;
  /** Is the unit there to be asked? */
  readonly isReachable: () => boolean;
  readonly emit: (block: SampleBlock) => void;
  readonly onFault: (point: string, error: SmEdgeError) => void;
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
    const { trigger, point, unit, sampleRateHz, samples: count } = this.#config;
    const { unitId, clock } = this.#deps;
    const triggeredAtMs = clock.nowMs();
    if (trigger !== undefined) {
      await this.#ask({ unitId, write: 'holding', address: trigger.address, values: [trigger.value] });
    }
    await this.#untilReady();
    // With a trigger the samples follow it; without one they end where the flag is seen.
    const startTimeMs = trigger === undefined ? clock.nowMs() - (count * 1000) / sampleRateHz : triggeredAtMs;
    const samples = this.#decode(await this.#readAll());
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
    const { ready, readyTimeout, point } = this.#config;
    const { clock, unitId } = this.#deps;
    const untilMs = clock.monotonicMs() + readyTimeout;
    for (let pauseMs = READY_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, READY_POLL_MAX_MS)) {
      const flag = await this.#ask({ unitId, table: 'holding', address: ready.address, quantity: 1 });
      if (flag.readUInt16BE(0) === ready.value) return;
      if (clock.monotonicMs() >= untilMs) {
        throw new SmEdgeError('MODBUS_NOT_READY', `${point}: no samples within ${readyTimeout} ms`, {
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

  async #ask(request: Request): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      if (this.#stopped.signal.aborted) throw new SmEdgeError('STOPPED', 'the source stops');
      this.#deps.count('requests');
      try {
        return await this.#deps.request(request);
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        if (!error.retryable || error.code === 'LINE_DOWN' || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  #decode(data: Buffer): Float32Array {
    const { type, samples: count } = this.#config;
    const { scale, offset } = lineOf(this.#config);
    const shape = { type, order: this.#config.order ?? naturalOrder(type), bit: 0 };
    const bytes = registersOf(type) * 2;
    const samples = new Float32Array(count);
    for (let i = 0; i < count; i++) samples[i] = decodeValue(data, i * bytes, shape) * scale + offset;
    return samples;
  }
}

/** value = raw × scale + offset, declared so or by a calibration. */
function lineOf(config: WaveformConfig): { readonly scale: number; readonly offset: number } {
  const { calibration, type, unit } = config;
  if (calibration === undefined) return config;
  const whole = { bits: registersOf(type) * 16, signed: type.startsWith('int') };
  return calibrationLine(calibrationOf(calibration, type === 'float32' ? undefined : whole, unit));
}

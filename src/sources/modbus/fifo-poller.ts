import type { Clock, Timer } from '../../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { BlockClock } from '../../signals/block-clock.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { FifoConfig } from './config-waveform.js';
import { MAX_FIFO, type Request } from './protocol.js';
import { commandRequest, decodeSamples } from './samples.js';
import { registersOf } from './values.js';

/** Reads of one look at most: a device that never runs empty must not hold the line for ever. */
const MOST_READS = 32;

export interface FifoDeps {
  readonly clock: Clock;
  readonly unitId: number;
  readonly request: (request: Request) => Promise<Buffer>;
  /** Is the unit there to be asked? */
  readonly isReachable: () => boolean;
  readonly emit: (block: SampleBlock) => void;
  /** The queue cannot be read; undefined when it can again. */
  readonly onFault: (point: string, error: SmEdgeError | undefined) => void;
  readonly count: (what: 'requests' | 'overruns' | 'fifo_losses' | 'fifo_samples', times?: number) => void;
}

/**
 * Empties one FIFO queue (function code 24) at its interval and lays what it held end to end: one block a look. A
 * read that fails may have taken samples with it, so that the block behind it is marked as after a gap.
 */
export class FifoPoller {
  readonly #config: FifoConfig;
  readonly #deps: FifoDeps;
  readonly #stopped = new AbortController();
  #blockClock = new BlockClock();
  /** The first half of a sample that lies in two answers. */
  #rest: Buffer = Buffer.alloc(0);
  #gap = false;
  #faulty = false;
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;

  constructor(config: FifoConfig, deps: FifoDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  start(phaseMs: number): void {
    this.#timer = this.#deps.clock.setTimer('modbus fifo', phaseMs, () => {
      this.start(this.#config.interval);
      if (this.#reading !== undefined) this.#deps.count('overruns');
      else if (this.#deps.isReachable()) this.#reading = this.#look();
      else this.#lose();
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#timer?.cancel();
    await this.#reading;
  }

  async #look(): Promise<void> {
    const { point } = this.#config;
    const { onFault, count } = this.#deps;
    const parts: Buffer[] = [this.#rest];
    let fault: SmEdgeError | undefined;
    try {
      for (let reads = 0; reads < MOST_READS && !this.#stopped.signal.aborted; reads++) {
        const data = await this.#read();
        parts.push(data);
        if (data.length < MAX_FIFO * 2) break;
      }
    } catch (thrown) {
      fault = toSmEdgeError(thrown);
    }
    this.#reading = undefined;
    this.#emit(Buffer.concat(parts));
    if (fault !== undefined && !this.#stopped.signal.aborted) {
      count('fifo_losses');
      this.#lose();
    }
    if (fault !== undefined || this.#faulty) onFault(point, fault);
    this.#faulty = fault !== undefined;
  }

  /** What the queue holds; a queue that has overflowed is emptied, where that is declared, and is a fault. */
  async #read(): Promise<Buffer> {
    const { address, clear } = this.#config;
    const { request, unitId, count } = this.#deps;
    const empty = async () => {
      if (clear === undefined) return;
      count('requests');
      await request(commandRequest(unitId, clear));
    };
    count('requests');
    try {
      const data = await request({ unitId, fifo: address });
      if (data.length > 0) await empty();
      return data;
    } catch (thrown) {
      // Clause 6.18: more than 31 registers in the queue are answered with exception 3.
      if (toSmEdgeError(thrown).details.exception === 3) await empty();
      throw thrown;
    }
  }

  #emit(data: Buffer): void {
    const { type, sampleRateHz, point, unit } = this.#config;
    const { clock, emit, count } = this.#deps;
    const bytes = registersOf(type) * 2;
    const samples = decodeSamples(data, this.#config, Math.floor(data.length / bytes));
    this.#rest = Buffer.from(data.subarray(samples.length * bytes));
    if (samples.length === 0) return;
    count('fifo_samples', samples.length);
    const { startTimeMs, continuity } = this.#blockClock.stamp({
      count: samples.length,
      sampleRateHz,
      arrivalMs: clock.nowMs(),
    });
    const finite = samples.every(Number.isFinite);
    const gap = this.#gap || continuity === 'gap';
    this.#gap = false;
    emit({
      point,
      startTimeMs,
      sampleRateHz,
      unit,
      samples,
      ...(!finite
        ? { quality: 'bad', reason: 'not-a-number' }
        : gap
          ? { quality: 'uncertain', reason: 'gap' }
          : { quality: 'good' }),
    });
  }

  /** Samples may be missing here: what comes next stands by itself. */
  #lose(): void {
    this.#gap = true;
    this.#rest = Buffer.alloc(0);
    this.#blockClock = new BlockClock();
  }
}

import { sleep, type Timer } from '../../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { Source, SourceDeps, SourceStatus } from '../part.js';
import { BlockTiming } from '../payloads/block-timing.js';
import { bytesPerSample, rawFullScale, readSamples } from '../payloads/sample-encoding.js';
import { StatusKeeper } from '../status.js';
import type { AudioConfig } from './config.js';
import { Recorder } from './recorder.js';
import { type WavFormat, WavStream } from './wav-stream.js';

const RESTART: RetrySchedule = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.3, limit: Infinity };
/** A recorder that ran for so long starts the backoff from the beginning. */
const STABLE_AFTER_MS = 10_000;
/** What arecord says when samples were lost because nobody fetched them in time. */
const OVERRUN = /overrun/i;

/** A microphone: the blocks of a recorder's WAV stream; the recorder is started again whenever it ends. */
export class AudioSource implements Source {
  readonly #config: AudioConfig;
  readonly #deps: SourceDeps;
  readonly #status: StatusKeeper;
  readonly #points: readonly string[];
  readonly #stopping = new AbortController();
  readonly #metrics;
  #recorder: Recorder | undefined;
  #loop: Promise<void> | undefined;
  #timing = new BlockTiming();
  #lastLogged = '';

  constructor(config: AudioConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#points = config.channels.map((channel) => config.point.replaceAll('{channel}', channel));
    const counter = (name: string, help: string) => {
      const one = deps.metrics.counter(`sm_edge_audio_${name}_total`, help, ['source']);
      return () => one.inc({ source: config.id });
    };
    this.#metrics = {
      starts: counter('recorder_starts', 'Times the recorder was started.'),
      ends: counter('recorder_ends', 'Times the recorder ended, or was ended because it gave nothing.'),
      overruns: counter('overruns', 'Times the recorder lost samples because nobody fetched them in time.'),
    };
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  async start(): Promise<void> {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#recorder?.stop();
    await this.#loop;
    this.#status.set('stopped');
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const startedMs = clock.monotonicMs();
      const fault = await this.#record();
      if (signal.aborted) return;
      this.#onEnd(fault);
      if (clock.monotonicMs() - startedMs >= STABLE_AFTER_MS) attempt = 0;
      await sleep(clock, 'recorder restart', retryDelayMs(RESTART, attempt, random)!, signal);
    }
  }

  /** One run of the recorder, to its end. */
  async #record(): Promise<SmEdgeError> {
    const { clock } = this.#deps;
    const stream = new WavStream();
    // Whatever the pause was, it is one: the row of blocks begins anew.
    this.#timing = new BlockTiming();
    let pending: Buffer = Buffer.alloc(0);
    let fault: SmEdgeError | undefined;
    let silence: Timer | undefined;
    const end = (reason: SmEdgeError) => {
      fault ??= reason;
      void recorder.stop();
    };
    const watch = () => {
      silence?.cancel();
      silence = clock.setTimer('recorder silence', this.#config.silence, () =>
        end(toSmEdgeError(new Error(`nothing came within ${this.#config.silence} ms`), 'RECORDER_SILENT')),
      );
    };
    const recorder = new Recorder(this.#config, clock, {
      onBytes: (chunk) => {
        watch();
        try {
          pending = this.#cut(Buffer.concat([pending, stream.push(chunk)]), stream.format);
        } catch (thrown) {
          end(toSmEdgeError(thrown));
        }
      },
      onLine: (line) => this.#onLine(line),
    });
    this.#recorder = recorder;
    this.#metrics.starts();
    watch();
    const ended = await recorder.ended;
    silence?.cancel();
    this.#recorder = undefined;
    return fault ?? ended;
  }

  /** Hands on the whole blocks; gives back what is left over. */
  #cut(bytes: Buffer, format: WavFormat | undefined): Buffer {
    if (format === undefined) return bytes;
    const { encoding, channels, sampleRateHz } = format;
    const stride = bytesPerSample(encoding) * channels;
    const count = Math.max(1, Math.round((this.#config.block * sampleRateHz) / 1000));
    let at = 0;
    for (; at + count * stride <= bytes.length; at += count * stride) {
      this.#emit(bytes.subarray(at, at + count * stride), count, format);
    }
    return Buffer.from(bytes.subarray(at));
  }

  #emit(bytes: Buffer, count: number, { encoding, channels, sampleRateHz }: WavFormat): void {
    const { clock, sink } = this.#deps;
    const { unit, fullScale } = this.#config;
    const sampleBytes = bytesPerSample(encoding);
    const gain = fullScale / rawFullScale(encoding);
    const runs = this.#points.slice(0, channels).map((point, channel) => {
      const run = { bytes, offset: channel * sampleBytes, stride: channels * sampleBytes, count };
      return { point, ...readSamples(run, encoding, gain, 0) };
    });
    const arrival = { timeMs: clock.nowMs(), repeated: false };
    sink.offer({ blocks: this.#timing.stamp(runs, { arrival, unit, sampleRateHz }).blocks });
    this.#judge({ encoding, channels, sampleRateHz });
  }

  /** The device may give another rate or number of channels than asked for: its heading counts, and it is said. */
  #judge({ channels, sampleRateHz }: WavFormat): void {
    const wanted = this.#config;
    const other: string[] = [];
    if (sampleRateHz !== wanted.sampleRateHz)
      other.push(`${sampleRateHz} Hz where ${wanted.sampleRateHz} Hz are declared`);
    if (channels !== wanted.channels.length)
      other.push(`${channels} channels where ${wanted.channels.length} are declared`);
    this.#lastLogged = '';
    if (other.length === 0) this.#status.set('good');
    else this.#status.set('degraded', `the device gives ${other.join(', ')}`);
  }

  #onLine(line: string): void {
    if (!OVERRUN.test(line)) return;
    this.#metrics.overruns();
    this.#timing = new BlockTiming();
  }

  #onEnd(fault: SmEdgeError): void {
    this.#metrics.ends();
    const reason = fault.hint === undefined ? fault.message : `${fault.message} (${fault.hint})`;
    this.#status.set(fault.code === 'RECORDER_MISSING' ? 'failed' : 'degraded', reason);
    if (reason === this.#lastLogged) return;
    this.#lastLogged = reason;
    this.#deps.logger.warn({ code: fault.code }, `${reason}; started again until it works`);
  }
}

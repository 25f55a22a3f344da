import type { Duplex } from 'node:stream';
import type { Timer } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import { type LineTarget, lineName } from '../line.js';
import { LineKeeper } from '../line-keeper.js';
import type { Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import { type SerialConfig, targetOf } from './config.js';
import type { Deframer, FramingFault } from './framing/framing.js';
import { createDeframer } from './framing/index.js';
import { Messages } from './messages.js';
import { type SerialMetrics, serialMetrics } from './serial-metrics.js';

/** An absent line is a degraded source at first, a failed one after this time. */
const FAILED_AFTER_MS = 30_000;
/** A frame that cannot be decoded is reported this often at most. */
const REPORT_INTERVAL_MS = 10 * 60_000;

/** Instruments that send of their own accord: frames from a line, and what they hold. */
export class SerialSource implements Source {
  readonly #config: SerialConfig;
  readonly #deps: SourceDeps;
  readonly #target: LineTarget;
  readonly #status: StatusKeeper;
  readonly #keeper: LineKeeper;
  readonly #metrics: SerialMetrics;
  readonly #messages: Messages;
  /** The unit of each scalar point that was seen: what is reported bad when the line is lost. */
  readonly #units = new Map<string, string>();
  #silenceTimer: Timer | undefined;
  #downTimer: Timer | undefined;
  #lastLogged = '';
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  /** Bytes since the last frame: tells a wrong baud rate from a dead sensor. */
  #bytesSinceFrame = 0;

  constructor(config: SerialConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#target = targetOf(config);
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#metrics = serialMetrics(deps.metrics, config.id);
    // Not one for each connection: counters and block times go on where they were.
    this.#messages = new Messages(config.messages);
    this.#keeper = new LineKeeper({
      target: this.#target,
      connectTimeoutMs: config.connectTimeout,
      clock: deps.clock,
      random: deps.random,
      serve: (stream) => this.#serve(stream),
      onDown: (fault, wasUp) => this.#onDown(fault, wasUp),
    });
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  async start(): Promise<void> {
    this.#keeper.start();
  }

  async stop(): Promise<void> {
    this.#silenceTimer?.cancel();
    this.#downTimer?.cancel();
    await this.#keeper.stop();
    this.#status.set('stopped');
  }

  /** Reads one connection to its end. */
  #serve(stream: Duplex): Promise<SmEdgeError> {
    this.#metrics.connections();
    this.#lastLogged = '';
    this.#downTimer?.cancel();
    this.#downTimer = undefined;
    this.#bytesSinceFrame = 0;
    this.#deps.logger.info({ line: lineName(this.#target) }, 'serial line open');
    const deframer = createDeframer(this.#config.framing);
    return new Promise((resolve) => {
      const end = (message: string) => {
        this.#silenceTimer?.cancel();
        stream.destroy();
        resolve(new SmEdgeError('LINE_DOWN', `${lineName(this.#target)}: ${message}`, { retryable: true }));
      };
      stream.on('data', (chunk: Buffer) => {
        if (this.#take(deframer, chunk)) this.#watchSilence(end);
      });
      stream.on('error', (error: Error) => end(error.message));
      stream.on('end', () => end('the device server closed the connection'));
      stream.on('close', () => end('the line was closed'));
      this.#watchSilence(end);
    });
  }

  /** True where the chunk completed at least one frame that could be used. */
  #take(deframer: Deframer, chunk: Buffer): boolean {
    this.#metrics.bytes(chunk.length);
    this.#bytesSinceFrame += chunk.length;
    const before = { ...deframer.faults };
    const garbage = deframer.garbageBytes;
    const frames = deframer.push(chunk);
    this.#metrics.garbage(deframer.garbageBytes - garbage);
    for (const reason of Object.keys(before) as FramingFault[]) {
      this.#metrics.unusable(reason, deframer.faults[reason] - before[reason]);
    }
    const readings: Reading[] = [];
    const blocks: SampleBlock[] = [];
    let used = 0;
    for (const frame of frames) {
      const contents = this.#messages.decode(frame, this.#deps.clock.nowMs());
      if (contents === 'unmatched') this.#metrics.unusable('unmatched');
      else if (contents instanceof SmEdgeError) this.#refuse(contents);
      else {
        used++;
        readings.push(...contents.readings);
        blocks.push(...contents.blocks);
        this.#metrics.gaps(contents.gaps);
        this.#metrics.lostFrames(contents.lostFrames);
      }
    }
    if (used === 0) return false;
    this.#metrics.frames(used);
    this.#bytesSinceFrame = 0;
    for (const { point, unit } of readings) this.#units.set(point, unit);
    if (readings.length + blocks.length > 0) this.#deps.sink.offer({ readings, blocks });
    this.#status.set('good');
    return true;
  }

  #refuse(error: SmEdgeError): void {
    const { clock, logger } = this.#deps;
    this.#metrics.unusable('payload');
    if (clock.monotonicMs() - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = clock.monotonicMs();
    logger.warn(
      { code: error.code, ...(error.hint === undefined ? {} : { hint: error.hint }) },
      `a frame cannot be used: ${error.message}`,
    );
  }

  #watchSilence(end: (message: string) => void): void {
    const { clock } = this.#deps;
    const { silence } = this.#config;
    this.#silenceTimer?.cancel();
    this.#silenceTimer = clock.setTimer('serial silence', silence, () => {
      const reason =
        this.#bytesSinceFrame > 0
          ? `${this.#bytesSinceFrame} bytes but no message within ${silence} ms; check baud rate, parity, framing and messages`
          : `nothing came within ${silence} ms; is the instrument on and wired?`;
      this.#status.set('degraded', reason);
      this.#loseReadings();
      // A dead peer of a TCP connection says nothing, for ever; opening a port anew would change nothing.
      if ('host' in this.#target) end(reason);
      else this.#watchSilence(end);
    });
  }

  #onDown(fault: SmEdgeError, wasUp: boolean): void {
    const { clock, logger } = this.#deps;
    this.#metrics.losses();
    if (fault.message !== this.#lastLogged) {
      logger.warn(
        { code: fault.code, ...(fault.hint === undefined ? {} : { hint: fault.hint }) },
        `${wasUp ? 'line lost' : 'no line'}: ${fault.message}; trying again until it works`,
      );
      this.#lastLogged = fault.message;
    }
    const reason = fault.hint === undefined ? fault.message : `${fault.message}; ${fault.hint}`;
    this.#status.set(this.status.state === 'failed' ? 'failed' : 'degraded', reason);
    this.#downTimer ??= clock.setTimer('serial line down', FAILED_AFTER_MS, () =>
      this.#status.set('failed', this.status.reason),
    );
    this.#loseReadings();
  }

  /** The last values of scalar points are not the present ones any more. */
  #loseReadings(): void {
    const timeMs = this.#deps.clock.nowMs();
    const readings = [...this.#units].map(
      ([point, unit]): Reading => ({
        point,
        timeMs,
        value: Number.NaN,
        unit,
        quality: 'bad',
        reason: 'timeout',
      }),
    );
    this.#units.clear();
    if (readings.length > 0) this.#deps.sink.offer({ readings });
  }
}

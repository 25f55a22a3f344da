import type { z } from 'zod';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import type { Reading } from '../signals/reading.js';
import type { SampleBlock } from '../signals/sample-block.js';
import type { SharedResources } from './shared.js';

/** State of a source, as `/health`, the metrics and the events show it. */
export type SourceState = 'starting' | 'good' | 'degraded' | 'failed' | 'stopped';

export interface SourceStatus {
  readonly state: SourceState;
  /** One sentence for the technician; empty while good. */
  readonly reason: string;
  /** Since when it is in this state, milliseconds since the Unix epoch. */
  readonly sinceMs: number;
}

/** One delivery of a source: any mix of readings and sample blocks. */
export interface SignalBatch {
  readonly readings?: readonly Reading[];
  readonly blocks?: readonly SampleBlock[];
}

/** Where a source puts what it acquired. Handed in by the composition root. */
export interface SignalSink {
  /**
   * Takes a batch and goes on; the gateway stores and analyses it in its own time.
   * For sources that have nobody to acknowledge to (a Modbus poll, a serial line, MQTT QoS 0).
   */
  offer(batch: SignalBatch): void;
  /**
   * Resolves once everything in the batch is on disk (fsync), so that the caller may acknowledge it
   * (a PUBACK, an HTTP 2xx). Rejects with a retryable error when it is not: the caller must not acknowledge.
   */
  deliver(batch: SignalBatch): Promise<void>;
}

/** A few small facts that a source keeps over restarts, such as the filters that it subscribed at a broker. */
export interface SourceMemory {
  read(key: string): string | undefined;
  write(key: string, value: string): void;
}

export interface SourceDeps {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly sink: SignalSink;
  /** To be called at every change of state. */
  readonly onStatus: (status: SourceStatus) => void;
  /** Absent where nothing is kept: the source then starts as if for the first time. */
  readonly memory?: SourceMemory;
  /** What the sources of this gateway use together; absent where a source runs alone. */
  readonly shared?: SharedResources;
}

/** A source restores its own link for ever (backoff, counters, status); it throws from `start` only for a config that can never work. */
export interface Source {
  start(): Promise<void>;
  /** Stops taking input, hands over what it holds, closes its link. Idempotent; done within 5 s. */
  stop(): Promise<void>;
  readonly status: SourceStatus;
}

/** A source is a folder with this in its index.ts and one line in sources/index.ts. */
export interface SourcePart<C extends { readonly id: string; readonly type: string }> {
  readonly type: C['type'];
  /** The whole entry of `sources:`, `id` and `type` included; strict. */
  readonly configSchema: z.ZodType<C>;
  /** False where blocks do not come about as fast as they were sampled (files), so that their rate cannot be measured. */
  readonly paced?: boolean;
  /** Loads the code that does the work only now: a gateway without a serial line holds no serial driver in memory. */
  create(config: C, deps: SourceDeps): Promise<Source>;
}

/** A value that was written to a device, on command of a person. */
export interface WrittenPoint {
  readonly point: string;
  /** What was to be written, in `unit`. */
  readonly value: number;
  readonly unit: string;
  /** What the point held before, and what was read back; undefined where that could not be read. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** A source whose points may be written to, where the config declares them writable. */
export interface PointWriter {
  /** Is the point one of this source, writable or not? */
  hasPoint(point: string): boolean;
  /** Resolves once the value was written and read back. @throws SmEdgeError `POINT_READ_ONLY`, or why it was not taken */
  write(point: string, value: number): Promise<WrittenPoint>;
}

export const isPointWriter = <T extends object>(source: T | undefined): source is T & PointWriter =>
  source !== undefined && 'hasPoint' in source && 'write' in source;

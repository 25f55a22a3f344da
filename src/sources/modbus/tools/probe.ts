import type { Clock } from '../../../base/clock.js';
import { sleep } from '../../../base/clock.js';
import { toSmEdgeError } from '../../../base/errors.js';
import type { ConnectionConfig } from '../config-connection.js';
import type { ReadRequest } from '../protocol.js';
import { type LineCounts, ReadingClient } from './client.js';

export interface ProbeOptions {
  readonly connection: ConnectionConfig;
  readonly request: ReadRequest;
  /** How often the range is read, and the pause between, ms. */
  readonly repeat: number;
  readonly pauseMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

export interface ProbeResult {
  /** The data of each answer that came, oldest first. */
  readonly answers: readonly Buffer[];
  readonly asked: number;
  readonly roundTripMs: { readonly min: number; readonly median: number; readonly max: number } | undefined;
  /** What went wrong, by error, with how often. */
  readonly errors: readonly { readonly message: string; readonly hint?: string; readonly count: number }[];
  readonly line: LineCounts;
}

/** Reads one range several times. An error is counted, not thrown. */
export async function probeRange(options: ProbeOptions): Promise<ProbeResult> {
  const { connection, request, repeat, pauseMs, clock, signal, onProgress } = options;
  const client = new ReadingClient(connection, clock);
  const answers: Buffer[] = [];
  const times: number[] = [];
  const errors = new Map<string, { message: string; hint?: string; count: number }>();
  let asked = 0;
  try {
    while (asked < repeat && !signal.aborted) {
      onProgress(asked, repeat);
      if (asked++ > 0) await sleep(clock, 'modbus probe', pauseMs, signal);
      try {
        const { data, durationMs } = await client.read(request);
        answers.push(Buffer.from(data));
        times.push(durationMs);
      } catch (thrown) {
        const { message, hint } = toSmEdgeError(thrown);
        const known = errors.get(message) ?? { message, ...(hint === undefined ? {} : { hint }), count: 0 };
        known.count++;
        errors.set(message, known);
      }
    }
  } finally {
    await client.close();
  }
  return { answers, asked, roundTripMs: spread(times), errors: [...errors.values()], line: client.counts };
}

function spread(times: readonly number[]): ProbeResult['roundTripMs'] {
  if (times.length === 0) return undefined;
  const sorted = [...times].sort((a, b) => a - b);
  return { min: sorted[0]!, median: sorted[sorted.length >> 1]!, max: sorted.at(-1)! };
}

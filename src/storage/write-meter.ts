import { readFileSync } from 'node:fs';
import type { Metrics } from '../base/metrics.js';

const DAY_MS = 86_400_000;
/** A rate over less than this says nothing. */
const LEAST_MS = 30_000;
/** One sample a minute over a day. */
const MAX_SAMPLES = 1_500;

/**
 * Bytes that this thread made the kernel write to the disk, as the kernel counts them (proc_pid_io(5), `write_bytes`):
 * database, log and folder lock, in whole pages. Undefined where the kernel does not tell (not Linux, or hidden).
 */
export function threadWrittenBytes(): number | undefined {
  try {
    const found = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/thread-self/io', 'utf8'));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

/** How much the store writes: flash wears by it. */
export class WriteMeter {
  readonly #total;
  readonly #perDay;
  readonly #samples: { readonly ms: number; readonly bytes: number }[] = [];
  /** Of threads that have ended. */
  #before = 0;
  #last = 0;

  constructor(metrics: Metrics) {
    this.#total = metrics.gauge(
      'sm_edge_storage_written_bytes',
      'Bytes written to the disk since the start.',
    );
    this.#perDay = metrics.gauge(
      'sm_edge_storage_written_bytes_per_day',
      'Bytes written to the disk in a day, by the rate of the last day or since the start.',
    );
  }

  /** @param bytes of the present storage thread since its start */
  sample(ms: number, bytes: number | undefined): void {
    if (bytes === undefined) return;
    if (bytes < this.#last) this.#before += this.#last;
    this.#last = bytes;
    const total = this.#before + bytes;
    this.#total.set(total);
    this.#samples.push({ ms, bytes: total });
    while (this.#samples.length > MAX_SAMPLES || ms - this.#samples[0]!.ms > DAY_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    if (ms - first.ms >= LEAST_MS) this.#perDay.set(((total - first.bytes) * DAY_MS) / (ms - first.ms));
  }
}

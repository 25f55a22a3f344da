import { type Clock, sleep } from '../../../base/clock.js';
import { toSmEdgeError } from '../../../base/errors.js';
import { openLine } from '../../line.js';
import { type ConnectionConfig, silenceMs } from '../config-connection.js';
import { Exchange, rtuMemory } from '../exchange.js';
import type { ReadRequest } from '../protocol.js';
import { targetOf } from '../shared-link.js';

/** What came in on the line beside the answers. */
export interface LineCounts {
  garbageBytes: number;
  discardedAnswers: number;
  connections: number;
}

/**
 * A client for a person who looks at a line: it connects when it is used, again after a loss, and reads. It has no
 * way to write.
 */
export class ReadingClient {
  readonly counts: LineCounts = { garbageBytes: 0, discardedAnswers: 0, connections: 0 };
  readonly #connection: ConnectionConfig;
  readonly #clock: Clock;
  #exchange: Exchange | undefined;

  constructor(connection: ConnectionConfig, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** The data of the answer, and how long it took. Rejects as `Exchange.transact` does. */
  async read(
    request: ReadRequest,
    timeoutMs = this.#connection.timeout,
  ): Promise<{ data: Buffer; durationMs: number }> {
    const exchange = await this.#open();
    const waitMs = exchange.waitMs(request.unitId);
    if (waitMs > 0) await sleep(this.#clock, 'modbus quarantine', waitMs);
    const startMs = this.#clock.monotonicMs();
    const data = await exchange.transact(request, timeoutMs);
    const durationMs = this.#clock.monotonicMs() - startMs;
    if (this.#connection.turnaround > 0)
      await sleep(this.#clock, 'modbus turnaround', this.#connection.turnaround);
    return { data, durationMs };
  }

  async close(): Promise<void> {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.destroy();
    await exchange?.closed;
  }

  async #open(): Promise<Exchange> {
    if (this.#exchange !== undefined) return this.#exchange;
    const { transport, timeout, connectTimeout } = this.#connection;
    const deadline = new AbortController();
    const timer = this.#clock.setTimer('line connect', connectTimeout, () => deadline.abort());
    try {
      const stream = await openLine(targetOf(this.#connection), deadline.signal);
      const exchange = new Exchange(stream, {
        clock: this.#clock,
        timeoutMs: timeout,
        silenceMs: silenceMs(this.#connection),
        abandonSilent: false,
        ...(transport === 'tcp' ? {} : { rtu: rtuMemory(timeout) }),
        onDiscarded: () => this.counts.discardedAnswers++,
        onGarbage: (bytes) => {
          this.counts.garbageBytes += bytes;
        },
      });
      this.counts.connections++;
      this.#exchange = exchange;
      void exchange.closed.then(() => {
        if (this.#exchange === exchange) this.#exchange = undefined;
      });
      return exchange;
    } finally {
      timer.cancel();
    }
  }
}

/** Does this failure say that a unit is there? An exception does, unless a gateway speaks for a unit that is silent. */
export function provesUnit(thrown: unknown): boolean {
  const { code, details } = toSmEdgeError(thrown);
  return code === 'MODBUS_EXCEPTION' && details.exception !== 10 && details.exception !== 11;
}

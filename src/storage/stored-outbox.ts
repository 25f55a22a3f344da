import type { Clock } from '../base/clock.js';
import type { Metrics } from '../base/metrics.js';
import type { Outbox, OutboxDraft, OutboxLane, OutboxRow, OutboxStats } from './outbox.js';
import type { WriteBatch } from './rows.js';
import { type PackedOutbox, unpackOutbox } from './wire/answers.js';

/** Rows of one sink: a year offline at one row a minute and a hundred events a day. */
const MAX_ROWS = 600_000;
/** The limit is looked at after this many appended rows. */
const TRIM_EVERY = 1_000;

/** The outbox in the store. Full, it drops its oldest figures first, its oldest events last, and counts them. */
export class StoredOutbox implements Outbox {
  readonly #clock: Clock;
  readonly #write: (batch: WriteBatch) => Promise<void>;
  readonly #call: <T>(method: string, argument: unknown) => Promise<T>;
  readonly #dropped = new Map<string, number>();
  readonly #droppedTotal;
  #appended = 0;

  constructor(
    write: (batch: WriteBatch) => Promise<void>,
    call: <T>(method: string, argument: unknown) => Promise<T>,
    metrics: Metrics,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#write = write;
    this.#call = call;
    this.#droppedTotal = metrics.counter(
      'sm_edge_outbox_dropped_total',
      'Rows dropped unsent from a full outbox.',
      ['sink'],
    );
  }

  async append(drafts: readonly OutboxDraft[]): Promise<void> {
    await this.#write({ outbox: drafts });
    this.#appended += drafts.length;
    if (this.#appended < TRIM_EVERY) return;
    this.#appended = 0;
    for (const sink of new Set(drafts.map((draft) => draft.sink))) {
      const dropped = await this.#call<number>('outboxTrim', { sink, maxRows: MAX_ROWS });
      this.#dropped.set(sink, (this.#dropped.get(sink) ?? 0) + dropped);
      this.#droppedTotal.inc({ sink }, dropped);
    }
  }

  async take(sink: string, nowMs: number, limit: number, lane?: OutboxLane): Promise<readonly OutboxRow[]> {
    const packed = await this.#call<PackedOutbox>('outboxTake', { sink, nowMs, limit, lane });
    return unpackOutbox(this.#clock, packed);
  }

  done(ids: readonly number[]): Promise<void> {
    return this.#call('outboxDone', ids);
  }

  failed(id: number, error: string, nextAttemptMs: number): Promise<void> {
    return this.#call('outboxFailed', { id, error, nextAttemptMs });
  }

  toBacklog(sink: string): Promise<number> {
    return this.#call('outboxToBacklog', sink);
  }

  keys(sink: string, prefix: string): Promise<readonly string[]> {
    return this.#call('outboxKeys', { sink, prefix });
  }

  async stats(): Promise<readonly OutboxStats[]> {
    const stored = await this.#call<Omit<OutboxStats, 'dropped'>[]>('outboxStats', undefined);
    const names = new Set([...stored.map(({ sink }) => sink), ...this.#dropped.keys()]);
    return [...names].map((sink) => ({
      ...(stored.find((row) => row.sink === sink) ?? {
        sink,
        live: 0,
        backlog: 0,
        bytes: 0,
        oldestMs: undefined,
      }),
      dropped: this.#dropped.get(sink) ?? 0,
    }));
  }
}

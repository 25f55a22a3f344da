import type { Outbox, OutboxDraft, OutboxLane, OutboxRow, OutboxStats } from '#sm/storage/outbox.js';

/** An outbox in memory, for tests of the loop alone, which count and order rows by themselves. */
export class MemoryOutbox implements Outbox {
  rows: OutboxRow[] = [];
  #nextId = 1;

  async append(drafts: readonly OutboxDraft[]): Promise<void> {
    for (const draft of drafts) {
      if (this.rows.some((row) => row.sink === draft.sink && row.key === draft.key)) continue;
      this.rows.push({ ...draft, id: this.#nextId++, attempts: 0, nextAttemptMs: 0, lastError: '' });
    }
  }

  async take(sink: string, nowMs: number, limit: number, lane?: OutboxLane): Promise<OutboxRow[]> {
    const due = this.rows.filter(
      (row) => row.sink === sink && row.nextAttemptMs <= nowMs && (lane === undefined || row.lane === lane),
    );
    return [
      ...due.filter((row) => row.lane === 'live'),
      ...due.filter((row) => row.lane === 'backlog'),
    ].slice(0, limit);
  }

  async done(ids: readonly number[]): Promise<void> {
    this.rows = this.rows.filter((row) => !ids.includes(row.id));
  }

  async failed(id: number, lastError: string, nextAttemptMs: number): Promise<void> {
    this.rows = this.rows.map((row) =>
      row.id === id ? { ...row, attempts: row.attempts + 1, lastError, nextAttemptMs } : row,
    );
  }

  async toBacklog(sink: string): Promise<number> {
    const live = this.rows.filter((row) => row.sink === sink && row.lane === 'live');
    this.rows = this.rows.map((row) => (live.includes(row) ? { ...row, lane: 'backlog' } : row));
    return live.length;
  }

  async keys(sink: string, prefix: string): Promise<string[]> {
    return this.rows.filter((row) => row.sink === sink && row.key.startsWith(prefix)).map(({ key }) => key);
  }

  async stats(): Promise<OutboxStats[]> {
    const sinks = [...new Set(this.rows.map((row) => row.sink))];
    return sinks.map((sink) => {
      const rows = this.rows.filter((row) => row.sink === sink);
      return {
        sink,
        live: rows.filter((row) => row.lane === 'live').length,
        backlog: rows.filter((row) => row.lane === 'backlog').length,
        bytes: 0,
        oldestMs: Math.min(...rows.map((row) => row.createdMs)),
        dropped: 0,
      };
    });
  }
}

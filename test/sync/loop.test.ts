import { describe, expect, it } from 'vitest';
import { ManualClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import type { OutboxRow } from '#sm/storage/outbox.js';
import { type Sender, SyncLoop } from '#sm/sync/loop.js';
import type { SyncStall } from '#sm/sync/part.js';
import { MemoryOutbox } from './support/outbox.js';

const AWAY = new SmEdgeError('MLFLOW_UNREACHABLE', 'no network', { retryable: true });

/** A remote that a test switches on and off. */
class Remote implements Sender {
  away: SmEdgeError | undefined;
  readonly received: string[] = [];
  readonly attempts: number[] = [];
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async send(rows: readonly OutboxRow[], receipt: Parameters<Sender['send']>[1]): Promise<void> {
    this.attempts.push(this.#clock.nowMs());
    if (this.away !== undefined) throw this.away;
    for (const row of rows) this.received.push(row.key);
    await receipt.confirm(rows);
  }
}

function setUp(batchRows = 10) {
  const clock = new ManualClock(1_000_000);
  const outbox = new MemoryOutbox();
  const remote = new Remote(clock);
  const stalls: SyncStall[] = [];
  const loop = new SyncLoop({
    sink: 'mlflow',
    outbox,
    sender: remote,
    clock,
    random: seededRandom(3),
    logger: silentLogger,
    metrics: new Metrics(),
    intervalMs: 60_000,
    retry: { initialMs: 2_000, maxMs: 300_000, factor: 2, jitter: 0.5, limit: Infinity },
    batchRows,
    stalledAfterMs: 3_600_000,
    onStalled: (stall) => stalls.push(stall),
  });
  const append = (key: string, lane: 'live' | 'backlog' = loop.error === undefined ? 'live' : 'backlog') =>
    outbox.append([{ sink: 'mlflow', lane, kind: 'event', key, payload: {}, createdMs: clock.nowMs() }]);
  return { clock, outbox, remote, stalls, loop, append };
}

/** Lets everything that waits for no timer happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  const stepMs = 1_000;
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs);
    await settle();
  }
}

describe('the sync loop', () => {
  it('sends at once at the start, then at its interval', async () => {
    const { clock, remote, loop, append } = setUp();
    await append('a');
    loop.start();
    await settle();
    expect(remote.received).toEqual(['a']);
    await append('b');
    await pass(clock, 56_000);
    expect(remote.received).toEqual(['a']);
    await pass(clock, 8_000);
    expect(remote.received).toEqual(['a', 'b']);
    await loop.stop();
  });

  it('sends at once when it is woken', async () => {
    const { remote, loop, append } = setUp();
    loop.start();
    await settle();
    await append('a');
    loop.wake();
    await settle();
    expect(remote.received).toEqual(['a']);
    await loop.stop();
  });

  it('tries a remote that is away ever more rarely, with jitter, and loses nothing', async () => {
    const { clock, outbox, remote, loop, append } = setUp();
    remote.away = AWAY;
    await append('a');
    loop.start();
    await settle();
    await pass(clock, 6 * 3_600_000);
    const pauses = remote.attempts.slice(1).map((at, i) => at - remote.attempts[i]!);
    expect(pauses.length).toBeLessThan(160);
    expect(pauses[0]).toBeLessThanOrEqual(3_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(301_000);
    expect(Math.min(...pauses.slice(12))).toBeGreaterThanOrEqual(150_000);
    expect(new Set(pauses.slice(12)).size).toBeGreaterThan(5);
    expect(outbox.rows).toHaveLength(1);
    await loop.stop();
  });

  it('waits as long as the remote asks', async () => {
    const { clock, remote, loop, append } = setUp();
    remote.away = new SmEdgeError('MLFLOW_BUSY', 'busy', {
      retryable: true,
      details: { retryAfterMs: 90_000 },
    });
    await append('a');
    loop.start();
    await settle();
    await pass(clock, 89_000);
    expect(remote.attempts).toHaveLength(1);
    await pass(clock, 2_000);
    expect(remote.attempts).toHaveLength(2);
    await loop.stop();
  });

  it('what is new passes what waited, once the remote is back', async () => {
    const { clock, remote, loop, append } = setUp(2);
    remote.away = AWAY;
    for (const key of ['old-1', 'old-2']) await append(key);
    loop.start();
    await settle();
    for (const key of ['old-3', 'old-4', 'old-5']) await append(key);
    remote.away = undefined;
    await append('new-1', 'live');
    await pass(clock, 10_000);
    expect(remote.received).toEqual(['new-1', 'old-1', 'old-2', 'old-3', 'old-4', 'old-5']);
    await loop.stop();
  });

  it('a steady stream of new rows does not starve the backlog', async () => {
    const { remote, outbox, loop, append } = setUp(1);
    await append('old', 'backlog');
    for (let i = 0; i < 50; i++) await append(`new-${i}`, 'live');
    loop.start();
    await settle();
    await settle();
    expect(remote.received.indexOf('old')).toBe(8);
    await settle();
    expect(outbox.rows).toEqual([]);
    await loop.stop();
  });

  it('says once that it stands still, and again only after it moved', async () => {
    const { clock, remote, stalls, loop, append } = setUp();
    remote.away = AWAY;
    await append('a');
    loop.start();
    await settle();
    const since = clock.nowMs();
    await pass(clock, 3_500_000);
    expect(stalls).toEqual([]);
    await pass(clock, 7_200_000);
    expect(stalls).toHaveLength(1);
    expect(stalls[0]).toMatchObject({
      sinceMs: since,
      pendingRows: 1,
      error: { code: 'MLFLOW_UNREACHABLE' },
    });

    remote.away = undefined;
    await pass(clock, 600_000);
    expect(remote.received).toEqual(['a']);
    expect(loop.error).toBeUndefined();
    remote.away = AWAY;
    await append('b');
    await pass(clock, 8_000_000);
    expect(stalls).toHaveLength(2);
    await loop.stop();
  });

  it('a jump of the wall clock is no stall', async () => {
    const { clock, remote, stalls, loop, append } = setUp();
    remote.away = AWAY;
    await append('a');
    loop.start();
    await settle();
    clock.setWallClock(clock.nowMs() + 30 * 86_400_000);
    await pass(clock, 60_000);
    expect(stalls).toEqual([]);
    await loop.stop();
  });

  it('a sender that forgets a row does not spin', async () => {
    const { remote, loop, append } = setUp();
    remote.send = async () => {
      remote.attempts.push(0);
    };
    await append('a');
    loop.start();
    await settle();
    expect(remote.attempts).toHaveLength(1);
    expect(loop.error).toMatchObject({ code: 'INTERNAL' });
    await loop.stop();
  });
});

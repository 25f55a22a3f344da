import { describe, expect, it } from 'vitest';
import { ManualClock, systemClock } from '#sm/base/clock.js';
import type { ErrorRecord } from '#sm/base/errors.js';
import { Metrics } from '#sm/base/metrics.js';
import { CommitQueue, type CommitQueueOptions } from '#sm/storage/commit-queue.js';
import type { WriteBatch } from '#sm/storage/rows.js';
import type { WireBatch } from '#sm/storage/wire/wire.js';

const batch = (key: string): WriteBatch => ({ documents: [{ key, document: 1 }] });
const name = ({ documents }: WireBatch) => documents?.[0]?.key ?? 'no document';

/** A queue whose commits end when the test says so. */
function setUp(options: Partial<CommitQueueOptions> = {}) {
  const commits: {
    names: string[];
    end: (results?: (ErrorRecord | undefined)[]) => void;
    fail: (error: Error) => void;
  }[] = [];
  const queue = new CommitQueue({
    clock: new ManualClock(),
    metrics: new Metrics(),
    commit: (batches) =>
      new Promise((resolve, reject) => {
        commits.push({ names: batches.map(name), end: (results = []) => resolve(results), fail: reject });
      }),
    intervalMs: 0,
    maxBatches: 4,
    maxBytes: 1e6,
    ...options,
  });
  return { queue, commits, turn: () => new Promise((resolve) => setImmediate(resolve)) };
}

describe('group commit', () => {
  it('takes what arrives during a commit into the next one, together and in order', async () => {
    const { queue, commits, turn } = setUp();
    const first = queue.write(batch('a'));
    await turn();
    const others = [queue.write(batch('b')), queue.write(batch('c'))];
    await turn();
    expect(commits.map(({ names }) => names)).toEqual([['a']]);
    commits[0]!.end();
    await first;
    await turn();
    expect(commits.map(({ names }) => names)).toEqual([['a'], ['b', 'c']]);
    commits[1]!.end();
    await Promise.all(others);
  });

  it('leaves its interval between two commits, and none once it drains', async () => {
    const clock = new ManualClock();
    const { queue, commits, turn } = setUp({ clock, intervalMs: 10 });
    queue.write(batch('a'));
    await turn();
    commits[0]!.end();
    await turn();
    queue.write(batch('b'));
    clock.advance(9);
    await turn();
    expect(commits).toHaveLength(1);
    clock.advance(1);
    await turn();
    expect(commits).toHaveLength(2);
    commits[1]!.end();
    await turn();
    queue.write(batch('c'));
    const drained = queue.drain();
    await turn();
    expect(commits.map(({ names }) => names)).toEqual([['a'], ['b'], ['c']]);
    commits[2]!.end();
    await drained;
  });

  it('refuses what does not fit, as retryable, and takes more when there is room', async () => {
    const { queue, commits, turn } = setUp();
    const kept = ['a', 'b', 'c', 'd'].map((key) => queue.write(batch(key)));
    await expect(queue.write(batch('e'))).rejects.toMatchObject({ code: 'STORE_BUSY', retryable: true });
    await turn();
    commits[0]!.end();
    await Promise.all(kept);
    queue.write(batch('f'));
    await turn();
    expect(commits[1]!.names).toEqual(['f']);
  });

  it('counts the bytes of samples, and takes one batch that is too large by itself', async () => {
    const { queue } = setUp({ maxBytes: 10_000 });
    const large = {
      blocks: [
        {
          point: 'a.b',
          startTimeMs: 0,
          sampleRateHz: 1,
          unit: 'g',
          samples: new Float32Array(5_000),
          quality: 'good',
        },
      ],
    } as const;
    queue.write(large);
    await expect(queue.write(batch('small'))).rejects.toMatchObject({ code: 'STORE_BUSY' });
  });

  it('tells each writer its own outcome', async () => {
    const { queue, commits, turn } = setUp();
    const outcomes = Promise.allSettled(['a', 'b', 'c'].map((key) => queue.write(batch(key))));
    await turn();
    commits[0]!.end([undefined, { code: 'STORE_WRITE', message: 'no', retryable: false }, undefined]);
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('goes on after a commit that failed as a whole', async () => {
    const { queue, commits, turn } = setUp();
    const lost = Promise.allSettled([queue.write(batch('a')), queue.write(batch('b'))]);
    await turn();
    commits[0]!.fail(new Error('the thread ended'));
    expect((await lost).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const kept = queue.write(batch('c'));
    await turn();
    commits[1]!.end();
    await kept;
  });
});

describe('small batches of readings', () => {
  const readings = (timeMs: number, count = 1): WriteBatch => ({
    readings: Array.from({ length: count }, (_, index) => ({
      point: 'a.b',
      timeMs,
      value: index,
      unit: 'g',
      quality: 'good',
    })),
  });

  it('cross together, in order with others, and a wrong one fails alone', async () => {
    const sent: WireBatch[][] = [];
    const { queue } = setUp({
      maxBatches: 100,
      commit: (batches) => {
        sent.push([...batches]);
        return Promise.resolve(batches.map(() => undefined));
      },
    });
    const right = Array.from({ length: 20 }, (_, index) => queue.write(readings(index)));
    const wrong = queue.write(readings(Number.NaN));
    const others = [queue.write(batch('a')), queue.write(readings(30, 3_000)), queue.write(readings(31))];
    await expect(wrong).rejects.toMatchObject({ code: 'STORE_WRITE', retryable: false });
    await Promise.all([...right, ...others]);
    const rows = sent.flat().map(({ readings: packed, documents }) => packed?.count ?? documents?.length);
    expect(rows.reduce<number>((sum, count) => sum + (count ?? 0), 0)).toBe(20 + 1 + 3_000 + 1);
    expect(rows.slice(-3)).toEqual([1, 3_000, 1]);
  });

  it('are packed a little in each turn of the event loop, however many there are', async () => {
    const { queue, commits, turn } = setUp({ clock: systemClock });
    let turns = 0;
    const written = queue.write(readings(1, 300_000));
    while (commits.length === 0) {
      await turn();
      turns++;
    }
    expect(turns).toBeGreaterThan(3);
    commits[0]!.end();
    await written;
  });
});

describe('what nobody waits for', () => {
  it('waits for company, until somebody waits, it has grown, its time is up or the queue drains', async () => {
    const clock = new ManualClock();
    const { queue, commits, turn } = setUp({ clock, relaxedMs: 1_000, maxCommitBytes: 450, maxBatches: 50 });
    const relaxed = (key: string) => queue.write(batch(key), true);
    const names = () => commits.map((commit) => commit.names);
    const endLast = async () => {
      commits.at(-1)!.end();
      await turn();
    };
    relaxed('a');
    await turn();
    clock.advance(999);
    await turn();
    expect(names()).toEqual([]);
    clock.advance(1);
    await turn();
    expect(names()).toEqual([['a']]);
    await endLast();

    relaxed('b');
    await turn();
    queue.write(batch('c'));
    await turn();
    expect(names().at(-1)).toEqual(['b', 'c']);
    await endLast();

    // A batch counts some 200 bytes: the third is one too many for a commit.
    for (const key of ['d', 'e', 'f']) relaxed(key);
    await turn();
    expect(names().at(-1)).toEqual(['d', 'e']);
    await endLast();
    expect(commits).toHaveLength(3);
    const drained = queue.drain();
    await turn();
    expect(names().at(-1)).toEqual(['f']);
    commits.at(-1)!.end();
    await drained;
  });
});

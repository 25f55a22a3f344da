import { describe, expect, it } from 'vitest';
import type { AnalysisSpec } from '#sm/features/spec.js';
import { Channel } from '#sm/pipeline/live/channel.js';
import { RingBudget } from '#sm/signals/ring-budget.js';
import type { SampleBlock } from '#sm/signals/sample-block.js';

const RATE = 1000;
const SPEC: AnalysisSpec = { sampleRateHz: RATE, unit: 'g', quantity: 'acceleration', blockLength: 100 };
const T0 = 1_700_000_000_000;

/** Blocks that follow each other; sample n of the signal has the value n. */
class Feed {
  #at = 0;
  #sequence = 0;

  block(length: number, rest: Partial<SampleBlock> = {}): SampleBlock {
    const from = this.#at;
    this.#at += length;
    return {
      point: 'm.de.acceleration',
      startTimeMs: T0 + (from * 1000) / RATE,
      sampleRateHz: RATE,
      unit: 'g',
      samples: Float32Array.from({ length }, (_, i) => from + i),
      quality: 'good',
      sequence: this.#sequence++,
      ...rest,
    };
  }

  /** A block that is made and never arrives. */
  lose(length: number): void {
    this.block(length);
  }
}

const channel = (ringMs = 1000, overlap = 0) => {
  const size = { sampleRateHz: SPEC.sampleRateHz, durationMs: ringMs, leastSamples: 4 * SPEC.blockLength };
  return new Channel('m.de.acceleration', SPEC, new RingBudget(2 ** 24).create('ring', size), overlap);
};
const windows = (of: Channel): number[] => {
  const starts: number[] = [];
  for (let window = of.takeWindow(); window !== undefined; window = of.takeWindow()) {
    const samples = of.ring.copy(window.from, window.length);
    starts.push(samples[0]!);
    expect([...samples]).toEqual(Array.from(samples, (_, i) => samples[0]! + i));
  }
  return starts;
};

describe('the windows of a channel', () => {
  it('are cut from blocks of any length, follow each other, and are each given once', () => {
    const of = channel();
    const feed = new Feed();
    const starts: number[] = [];
    for (const length of [30, 30, 30, 30, 250, 1, 99]) {
      of.push(feed.block(length));
      starts.push(...windows(of));
    }
    expect(starts).toEqual([0, 100, 200, 300]);
    expect(of.takeWindow()).toBeUndefined();
  });

  it('hold no gap: after one, a new segment begins with the block that came', () => {
    const of = channel();
    const feed = new Feed();
    expect(of.push(feed.block(150))).toBe('gap');
    expect(of.push(feed.block(30))).toBe('continued');
    feed.lose(50);
    expect(of.push(feed.block(120))).toBe('gap');
    // The first window is of the segment that ended: it can no longer be told from what follows.
    expect(windows(of)).toEqual([230]);
    expect(of.push(feed.block(80))).toBe('continued');
    expect(windows(of)).toEqual([330]);
  });

  it('are told apart by the time where there are no numbers', () => {
    const of = channel();
    const feed = new Feed();
    const plain = (length: number, offsetMs = 0) => {
      const { sequence: _, ...block } = feed.block(length);
      return { ...block, startTimeMs: block.startTimeMs + offsetMs };
    };
    of.push(plain(50));
    // Stamps that jitter by less than half a block from one to the next are those of a busy sender.
    expect(of.push(plain(50, 20))).toBe('continued');
    expect(of.push(plain(50, 0))).toBe('continued');
    expect(of.push(plain(50, 60))).toBe('gap');
    expect(of.push(plain(50, -200))).toBe('gap');
  });

  it('end at a bad block, which is not taken in', () => {
    const of = channel();
    const feed = new Feed();
    of.push(feed.block(80));
    expect(of.push(feed.block(20, { quality: 'bad' }))).toBe('refused');
    expect(of.ring.written).toBe(80);
    expect(of.push(feed.block(60))).toBe('gap');
    expect(of.push(feed.block(60))).toBe('continued');
    expect(windows(of)).toEqual([100]);
  });

  it('go on over a block counter that wraps', () => {
    const of = channel();
    const feed = new Feed();
    of.push(feed.block(50, { sequence: 65_535 }));
    expect(of.push(feed.block(50, { sequence: 0 }))).toBe('continued');
    expect(of.push(feed.block(50, { sequence: 2 }))).toBe('gap');
  });

  it('are dated from the newest block, so that a slow sample clock does not add up', () => {
    const of = channel(10_000);
    const feed = new Feed();
    // The sensor samples 1 % slower than it says.
    for (let n = 0; n < 50; n++) {
      const block = feed.block(100);
      of.push({ ...block, startTimeMs: T0 + n * 101 });
      expect(of.takeWindow()!.startTimeMs).toBeCloseTo(T0 + n * 101, 6);
    }
  });

  it('are dated within a block too', () => {
    const of = channel();
    const feed = new Feed();
    of.push(feed.block(70));
    of.push(feed.block(180));
    expect(of.takeWindow()!.startTimeMs).toBe(T0);
    expect(of.takeWindow()!.startTimeMs).toBe(T0 + 100);
  });

  it('that wait are given up, all but the newest', () => {
    const of = channel();
    const feed = new Feed();
    of.push(feed.block(90));
    expect(of.skipToNewest()).toBe(0);
    of.push(feed.block(430));
    expect(of.skipToNewest()).toBe(4);
    expect(windows(of)).toEqual([400]);
    expect(of.skipToNewest()).toBe(0);
  });

  it('never reach behind what the ring still holds', () => {
    const of = channel(400);
    const feed = new Feed();
    for (let n = 0; n < 30; n++) of.push(feed.block(50));
    const window = of.takeWindow()!;
    expect(window.from).toBeGreaterThanOrEqual(of.ring.oldest);
    expect(of.ring.copy(window.from, window.length)[0]).toBe(window.from);
  });
});

describe('the newest signal', () => {
  it('is at most what was asked for, half the ring, and the unbroken segment', () => {
    const of = channel(1000);
    const feed = new Feed();
    expect(of.newest(500).length).toBe(0);
    of.push(feed.block(400));
    expect(of.newest(100)).toEqual({ from: 300, length: 100, startTimeMs: T0 + 300 });
    of.push(feed.block(400));
    expect(of.newest(60_000)).toEqual({ from: 300, length: 500, startTimeMs: T0 + 300 });
    feed.lose(10);
    of.push(feed.block(40));
    expect(of.newest(60_000)).toEqual({ from: 800, length: 40, startTimeMs: T0 + 810 });
  });

  it('has room for four windows, however short the ring was asked to be', () => {
    expect(channel(1).ring.capacitySamples).toBeGreaterThanOrEqual(4 * SPEC.blockLength);
  });
});

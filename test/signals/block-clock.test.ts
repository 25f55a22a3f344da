import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockClock } from '#sm/signals/block-clock.js';

const RATE_HZ = 25_600;
const COUNT = 4096;
const BLOCK_MS = (COUNT * 1000) / RATE_HZ;
const START_MS = 1_750_000_000_000;

describe('block clock', () => {
  it('lays blocks end to end although their arrivals jitter', () => {
    const jitters = fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { minLength: 2, maxLength: 300 });
    fc.assert(
      fc.property(jitters, (jitter) => {
        const clock = new BlockClock();
        const starts = jitter.map((lateMs, i) => {
          const arrivalMs = START_MS + (i + 1) * BLOCK_MS + lateMs;
          return clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs });
        });
        for (let i = 1; i < starts.length; i++) {
          expect(starts[i]!.continuity).toBe('contiguous');
          const offSamples =
            Math.abs(starts[i]!.startTimeMs - starts[i - 1]!.startTimeMs - BLOCK_MS) * (RATE_HZ / 1000);
          expect(offSamples).toBeLessThan(0.5);
        }
      }),
    );
  });

  it('follows a sample clock that is 80 ppm slow for an hour', () => {
    const clock = new BlockClock();
    const trueBlockMs = BLOCK_MS * (1 + 80e-6);
    let worst = 0;
    for (let i = 0; i < 3_600_000 / BLOCK_MS; i++) {
      const endMs = START_MS + (i + 1) * trueBlockMs;
      const stamp = clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs: endMs + (i % 7) });
      expect(stamp.continuity).not.toBe('gap');
      worst = Math.max(worst, Math.abs(stamp.startTimeMs - (endMs - trueBlockMs)));
    }
    expect(worst).toBeLessThan(10);
  });

  it('finds a pause without sequence numbers', () => {
    const clock = new BlockClock();
    clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs: START_MS });
    const stamp = clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs: START_MS + 10_000 });
    expect(stamp).toEqual({ startTimeMs: START_MS + 10_000 - BLOCK_MS, continuity: 'gap', lostBlocks: 0 });
  });

  it('lays a backlog end to end and finds back to the clock after it', () => {
    const clock = new BlockClock();
    const stamp = (arrivalMs: number) => clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs });
    let last = stamp(START_MS).startTimeMs;
    for (let i = 1; i <= 50; i++) {
      const { startTimeMs, continuity } = stamp(START_MS + i);
      expect(continuity).toBe('contiguous');
      expect(startTimeMs - last).toBeCloseTo(BLOCK_MS, 1);
      last = startTimeMs;
    }
    // Nine seconds in their own time may be a pause in the backlog; ten are live.
    const live = (i: number) => stamp(START_MS + 50 + i * BLOCK_MS);
    const blocks = Math.ceil(10_000 / BLOCK_MS);
    for (let i = 1; i < blocks; i++) expect(live(i).continuity).toBe('contiguous');
    const liveMs = START_MS + 50 + blocks * BLOCK_MS;
    expect(live(blocks)).toEqual({ startTimeMs: liveMs - BLOCK_MS, continuity: 'gap', lostBlocks: 0 });
    expect(live(blocks + 1).continuity).toBe('contiguous');
  });

  it('keeps a signal that comes faster than it was sampled in order, however unevenly it comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 2, maxLength: 150 }),
        (pausesMs) => {
          const clock = new BlockClock();
          let arrivalMs = START_MS;
          let endMs = Number.NEGATIVE_INFINITY;
          for (const pauseMs of pausesMs) {
            // Two at once, then a pause of up to three blocks.
            for (const waitMs of [pauseMs, 1]) {
              arrivalMs += waitMs;
              const { startTimeMs } = clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs });
              expect(startTimeMs).toBeGreaterThan(endMs - 0.001 * BLOCK_MS);
              endMs = startTimeMs + BLOCK_MS;
            }
          }
        },
      ),
    );
  });

  it('never runs more than half a minute ahead of the clock', () => {
    const clock = new BlockClock();
    for (let i = 0; i < 1000; i++) {
      const { startTimeMs } = clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs: START_MS + i });
      expect(startTimeMs - (START_MS + i)).toBeLessThan(30_001);
    }
  });

  it('knows by sequence numbers what is lost and what is only late', () => {
    const clock = new BlockClock();
    const stamp = (sequence: number, arrivalMs: number) =>
      clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs, sequence, sequenceModulus: 256 });
    const first = stamp(254, START_MS);
    expect(first.continuity).toBe('start');
    // A burst after a stall of ten seconds: nothing is missing.
    const late = stamp(255, START_MS + 10_000);
    expect(late.continuity).toBe('contiguous');
    expect(late.startTimeMs).toBeCloseTo(first.startTimeMs + BLOCK_MS, 0);
    // 0, 1 and 2 are lost.
    const afterLoss = stamp(3, START_MS + 4 * BLOCK_MS);
    expect(afterLoss).toMatchObject({ continuity: 'gap', lostBlocks: 3 });
    expect(afterLoss.startTimeMs).toBeCloseTo(first.startTimeMs + 5 * BLOCK_MS, 0);
  });

  it('gives a repeated block the time that it had', () => {
    const clock = new BlockClock();
    const stamp = (sequence: number, repeated: boolean) =>
      clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs: START_MS, sequence, repeated });
    const times = [1, 2, 3].map((sequence) => stamp(sequence, false).startTimeMs);
    expect(stamp(2, true).startTimeMs).toBeCloseTo(times[1]!, 1);
    expect(stamp(3, true).startTimeMs).toBeCloseTo(times[2]!, 1);
    expect(stamp(4, false).continuity).toBe('contiguous');
  });

  it('starts anew with a device that starts anew', () => {
    const clock = new BlockClock();
    const stamp = (sequence: number, arrivalMs: number) =>
      clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs, sequence });
    stamp(500, START_MS);
    const restarted = stamp(0, START_MS + 5_000);
    expect(restarted).toEqual({ startTimeMs: START_MS + 5_000 - BLOCK_MS, continuity: 'gap', lostBlocks: 0 });
    expect(stamp(1, START_MS + 5_000 + BLOCK_MS).continuity).toBe('contiguous');
  });

  it('takes the time of the device and finds the gaps in it', () => {
    const clock = new BlockClock();
    const stamp = (deviceTimeMs: number) =>
      clock.stamp({ count: COUNT, sampleRateHz: RATE_HZ, arrivalMs: START_MS + 99_999, deviceTimeMs });
    expect(stamp(START_MS).startTimeMs).toBe(START_MS);
    expect(stamp(START_MS + BLOCK_MS + 0.4).continuity).toBe('contiguous');
    expect(stamp(START_MS + 5 * BLOCK_MS)).toMatchObject({
      continuity: 'gap',
      startTimeMs: START_MS + 5 * BLOCK_MS,
    });
  });
});

import { describe, expect, it } from 'vitest';
import { RingBudget, ringCapacity } from '#sm/signals/ring-budget.js';
import { SampleRing } from '#sm/signals/ring-buffer.js';
import { TriggerCapture } from '#sm/signals/trigger-capture.js';

const ramp = (from: number, length: number) => Float32Array.from({ length }, (_, i) => from + i);

/** A ring whose sample n has the value n. */
function ringOf(capacity: number, written: number): SampleRing {
  const ring = SampleRing.create(capacity, Math.floor(capacity / 2));
  for (let at = 0; at < written; at += 50) ring.write(ramp(at, Math.min(50, written - at)));
  return ring;
}

describe('a capture around a trigger', () => {
  it('holds what came before and what comes after', () => {
    const ring = ringOf(1000, 700);
    const capture = new TriggerCapture(ring, 700, 600, 300);
    expect(capture.done).toBe(false);
    for (let at = 700; at < 1100; at += 50) {
      ring.write(ramp(at, 50));
      capture.advance();
    }
    expect(capture.done).toBe(true);
    const { samples, fromIndex, triggerOffset, cut } = capture.result();
    expect(samples).toEqual(ramp(100, 900));
    expect([fromIndex, triggerOffset, cut]).toEqual([100, 600, []]);
  });

  it('may be longer than the ring', () => {
    const ring = ringOf(400, 400);
    const capture = new TriggerCapture(ring, 400, 300, 5000);
    for (let at = 400; !capture.done; at += 90) {
      ring.write(ramp(at, 90));
      capture.advance();
    }
    expect(capture.result().samples).toEqual(ramp(100, 5300));
  });

  it('begins with what the ring still holds', () => {
    const capture = new TriggerCapture(ringOf(200, 1000), 1000, 500, 0);
    const { samples, triggerOffset, cut } = capture.result();
    expect(samples).toEqual(ramp(800, 200));
    expect([triggerOffset, cut]).toEqual([200, ['overrun']]);
    expect(capture.done).toBe(true);
  });

  it('begins behind a gap before the trigger and ends at one after it', () => {
    const ring = ringOf(1000, 300);
    ring.markGap();
    ring.write(ramp(300, 100));
    const capture = new TriggerCapture(ring, 400, 200, 200);
    ring.write(ramp(400, 60));
    expect(capture.advance()).toBe(false);
    ring.markGap();
    ring.write(ramp(460, 100));
    expect(capture.advance()).toBe(true);
    const { samples, triggerOffset, cut } = capture.result();
    expect(samples).toEqual(ramp(300, 160));
    expect([triggerOffset, cut]).toEqual([100, ['gap', 'gap']]);
  });

  it('keeps the signal before a gap that falls on the trigger', () => {
    const ring = ringOf(1000, 300);
    ring.markGap();
    const capture = new TriggerCapture(ring, 300, 100, 50);
    ring.write(ramp(300, 100));
    capture.advance();
    expect(capture.result()).toMatchObject({ samples: ramp(200, 100), triggerOffset: 100, cut: ['gap'] });
  });

  it('does not tell of a gap behind its last sample', () => {
    const ring = ringOf(1000, 300);
    const capture = new TriggerCapture(ring, 300, 100, 50);
    ring.write(ramp(300, 50));
    ring.markGap();
    ring.write(ramp(350, 50));
    expect(capture.advance()).toBe(true);
    expect(capture.result()).toMatchObject({ samples: ramp(200, 150), cut: [] });
  });

  it('tells when the ring turned over it, or nothing more came', () => {
    const ring = ringOf(200, 200);
    const late = new TriggerCapture(ring, 200, 50, 400);
    ring.write(ramp(200, 150));
    late.advance();
    ring.write(ramp(350, 600));
    expect(late.advance()).toBe(true);
    expect(late.result()).toMatchObject({ samples: ramp(150, 200), cut: ['overrun'] });
    const ended = new TriggerCapture(ringOf(200, 200), 200, 50, 400);
    ended.end();
    expect(ended.result()).toMatchObject({ samples: ramp(150, 50), cut: ['ended'] });
  });

  it('refuses a capture of nothing', () => {
    expect(() => new TriggerCapture(ringOf(100, 100), 100, 0, 0)).toThrow(
      expect.objectContaining({ code: 'CAPTURE' }),
    );
  });
});

describe('the memory of all rings', () => {
  const size = { sampleRateHz: 1000, durationMs: 10_000 };

  it('is as long as wanted and as large as allowed', () => {
    expect(ringCapacity(size)).toBe(10_000);
    const short = ringCapacity({ ...size, maxBytes: 30_000 });
    expect(SampleRing.bytesFor(short, Math.floor(short / 2))).toBeLessThanOrEqual(30_000);
    expect(short).toBeGreaterThan(4500);
    expect(ringCapacity({ ...size, maxBytes: 30_000, leastSamples: 8000 })).toBe(8000);
  });

  it('refuses a ring that does not fit, and takes it when another one went', () => {
    const budget = new RingBudget(130_000);
    budget.create('a', size);
    budget.create('b', size);
    expect(() => budget.create('c', size)).toThrow(expect.objectContaining({ code: 'RING_BUDGET' }));
    expect([budget.rings, budget.refused]).toEqual([2, 1]);
    expect(budget.usedBytes).toBeLessThanOrEqual(budget.limitBytes);
    budget.release('a');
    budget.create('c', size);
    // The same key again replaces its ring.
    budget.create('c', { ...size, durationMs: 1000 });
    expect(budget.rings).toBe(2);
    budget.release('b');
    budget.release('c');
    budget.release('c');
    expect(budget.usedBytes).toBe(0);
  });

  it('sums up the gaps and overruns of its rings', () => {
    const budget = new RingBudget(1_000_000);
    const ring = budget.create('a', { sampleRateHz: 10, durationMs: 1000 });
    ring.write(ramp(0, 30));
    ring.markGap();
    expect(() => ring.read(0, 5)).toThrow(expect.objectContaining({ code: 'RING_OVERRUN' }));
    expect(budget.totals()).toEqual({ gaps: 1, overruns: 1 });
  });
});

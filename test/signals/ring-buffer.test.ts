import { describe, expect, it } from 'vitest';
import { SampleRing } from '#sm/signals/ring-buffer.js';

const ramp = (from: number, length: number) => Float32Array.from({ length }, (_, i) => from + i);

describe('SampleRing', () => {
  it('gives every window of the last capacity samples in one piece', () => {
    const ring = SampleRing.create(100);
    let next = 0;
    for (const length of [7, 93, 100, 31, 64, 5]) {
      expect(ring.write(ramp(next, length))).toBe(next);
      next += length;
      for (let from = ring.oldest; from < next; from++) {
        for (const size of [1, 17, next - from])
          if (from + size <= next) expect(ring.read(from, size)).toEqual(ramp(from, size));
      }
    }
  });

  it('keeps the end of a block that is longer than itself', () => {
    const ring = SampleRing.create(10);
    ring.write(ramp(0, 37));
    expect(ring.written).toBe(37);
    expect(ring.read(27, 10)).toEqual(ramp(27, 10));
  });

  it('refuses and counts a window that was overrun', () => {
    const ring = SampleRing.create(10);
    ring.write(ramp(0, 10));
    const window = ring.read(0, 5);
    expect(window[0]).toBe(0);
    expect(ring.isIntact(0)).toBe(true);
    ring.write(ramp(10, 1));
    expect(ring.isIntact(0)).toBe(false);
    expect(() => ring.read(0, 5)).toThrow(expect.objectContaining({ code: 'RING_OVERRUN' }));
    expect(ring.overruns).toBe(2);
  });

  it('refuses a window across a gap, and names where the signal goes on', () => {
    const ring = SampleRing.create(100);
    ring.write(ramp(0, 20));
    ring.markGap();
    ring.write(ramp(20, 20));
    expect(() => ring.read(10, 20)).toThrow(expect.objectContaining({ code: 'RING_GAP' }));
    expect(ring.gapWithin(10, 20)).toBe(20);
    expect(ring.read(0, 20)).toEqual(ramp(0, 20));
    expect(ring.read(20, 20)).toEqual(ramp(20, 20));
    expect(ring.gaps).toBe(1);
  });

  it('never gives a window across a gap that it forgot', () => {
    const ring = SampleRing.create(1000);
    for (let i = 0; i < 100; i++) {
      ring.write(ramp(i * 5, 5));
      ring.markGap();
    }
    for (let from = 0; from + 10 <= 500; from++)
      expect(() => ring.read(from, 10)).toThrow(expect.objectContaining({ code: 'RING_GAP' }));
  });

  it('refuses a window that is not written yet, and shares memory with who attaches', () => {
    const ring = SampleRing.create(100, 50);
    const other = SampleRing.attach(structuredClone(ring.handle));
    ring.write(ramp(0, 30));
    expect(other.read(5, 20)).toEqual(ramp(5, 20));
    expect(() => other.read(20, 20)).toThrow(
      expect.objectContaining({ code: 'RING_WINDOW', retryable: true }),
    );
    expect(() => other.read(0, 51)).toThrow(expect.objectContaining({ code: 'RING_WINDOW' }));
  });
});

import { describe, expect, it } from 'vitest';
import { ManualClock } from '#sm/base/clock.js';
import { SteadyClock } from '#sm/base/steady-clock.js';

const START = Date.UTC(2026, 5, 1);

function clocks(startMs = START) {
  const wall = new ManualClock(startMs);
  return { wall, steady: new SteadyClock(wall) };
}

describe('the clock that stamps what comes in', () => {
  it('follows the wall clock', () => {
    const { wall, steady } = clocks();
    wall.advance(5_000);
    expect(steady.nowMs()).toBe(START + 5_000);
    expect(steady.unsynchronised).toBe(false);
    expect(steady.jumps).toBe(0);
  });

  it('keeps the order when the wall clock is set back, and catches up within twice the jump', () => {
    const { wall, steady } = clocks();
    const jumps: number[] = [];
    steady.onJump((byMs) => jumps.push(byMs));
    let last = steady.nowMs();
    wall.advance(1_000);
    wall.setWallClock(wall.nowMs() - 60_000);
    for (let second = 0; second < 130; second++) {
      wall.advance(1_000);
      const now = steady.nowMs();
      expect(now).toBeGreaterThan(last);
      last = now;
      if (second < 100) expect(steady.unsynchronised).toBe(true);
    }
    expect(steady.nowMs()).toBe(wall.nowMs());
    expect(steady.unsynchronised).toBe(false);
    expect(jumps).toEqual([-60_000]);
  });

  it('follows a jump forward at once, and a large one back', () => {
    const { wall, steady } = clocks();
    wall.setWallClock(START + 86_400_000);
    expect(steady.nowMs()).toBe(START + 86_400_000);
    wall.setWallClock(START);
    expect(steady.nowMs()).toBe(START);
    expect(steady.jumps).toBe(2);
  });

  it('says that a clock was never set, and what the system says of it', () => {
    expect(clocks(1_000).steady.unsynchronised).toBe(true);
    expect(new SteadyClock(new ManualClock(START), () => false).unsynchronised).toBe(true);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BELIEVED_AT_ONCE_MS,
  CATCH_UP_EVERY_MS,
  CATCH_UP_STEP_MS,
  HOLD_MS,
  HOLD_SYNCHRONISED_MS,
  RetentionClock,
  type RetentionClockState,
} from '#sm/storage/retention-clock.js';
import { StoreFolder } from '../support/store.js';

const MINUTE = 60_000;
const DAY = 86_400_000;
const YEAR = 365 * DAY;
const START = Date.UTC(2026, 5, 1);

/** A gateway whose retention runs every minute, whose clock can be set, and which can be started anew. */
class Gateway {
  wallMs = START;
  monotonicMs = 5_000;
  synchronised = false;
  newestDataMs: number | undefined;
  clock = new RetentionClock();

  run() {
    const { wallMs, monotonicMs, synchronised, newestDataMs } = this;
    return this.clock.now({ wallMs, monotonicMs, synchronised, newestDataMs });
  }

  pass(ms: number, everyMs = MINUTE) {
    let last = this.run();
    for (let passed = 0; passed < ms; passed += everyMs) {
      this.wallMs += everyMs;
      this.monotonicMs += everyMs;
      last = this.run();
    }
    return last;
  }

  restart(offMs: number) {
    const stored = JSON.parse(JSON.stringify(this.clock.state)) as RetentionClockState;
    this.clock = new RetentionClock(stored);
    this.monotonicMs = 1_000;
    this.wallMs += offMs;
  }
}

describe('the time that retention goes by', () => {
  it('is that of the wall while it goes by as the monotonic clock does, and is followed back at once', () => {
    const gateway = new Gateway();
    expect(gateway.pass(2 * DAY, 3_600_000)).toMatchObject({ nowMs: START + 2 * DAY, doubtedMs: 0 });
    gateway.wallMs -= 10 * YEAR;
    expect(gateway.run()).toMatchObject({ nowMs: START + 2 * DAY - 10 * YEAR, doubtedMs: 0 });
  });

  it('does not believe a jump of years; after a week, or an hour with a time server, it follows day by day', () => {
    for (const [synchronised, holdMs] of [
      [true, HOLD_SYNCHRONISED_MS],
      [false, HOLD_MS],
    ] as const) {
      const gateway = new Gateway();
      gateway.synchronised = synchronised;
      gateway.pass(MINUTE);
      gateway.wallMs += 3 * YEAR;
      const before = gateway.run().nowMs;
      const held = gateway.pass(holdMs - 2 * MINUTE);
      expect(held.nowMs - before).toBeLessThanOrEqual(holdMs);
      expect(held).toMatchObject({ catchingUp: false });
      expect(held.doubtedMs).toBeGreaterThan(2.9 * YEAR);
      const catching = gateway.pass(3 * CATCH_UP_EVERY_MS);
      expect(catching.catchingUp).toBe(true);
      expect(catching.nowMs - held.nowMs).toBeGreaterThan(2 * CATCH_UP_STEP_MS);
      expect(catching.nowMs - held.nowMs).toBeLessThan(5 * CATCH_UP_STEP_MS);
    }
  });

  it('keeps its doubts over restarts, and forgets what held when the clock jumps once more', () => {
    const gateway = new Gateway();
    gateway.pass(MINUTE);
    gateway.wallMs += 3 * YEAR;
    const before = gateway.run().nowMs;
    for (let day = 0; day < 5; day++) {
      gateway.pass(DAY / 2, 600_000);
      gateway.restart(60_000);
    }
    expect(gateway.run().nowMs - before).toBeLessThan(3 * DAY);
    gateway.wallMs += YEAR;
    gateway.pass(HOLD_MS - DAY, 600_000);
    expect(gateway.run()).toMatchObject({ catchingUp: false });
    gateway.pass(2 * DAY, 600_000);
    expect(gateway.run()).toMatchObject({ catchingUp: true });
  });

  it('believes a person at once, and still goes day by day', () => {
    const gateway = new Gateway();
    gateway.pass(MINUTE);
    gateway.wallMs += YEAR;
    const before = gateway.run().nowMs;
    gateway.clock.confirm();
    expect(gateway.run().nowMs - before).toBe(CATCH_UP_STEP_MS);
    expect(gateway.pass(365 * CATCH_UP_EVERY_MS)).toMatchObject({ nowMs: gateway.wallMs, doubtedMs: 0 });
  });

  it('does not go by without data', () => {
    const gateway = new Gateway();
    gateway.newestDataMs = START;
    expect(gateway.pass(YEAR, 3_600_000).nowMs).toBe(START + DAY);
  });

  it('never moves by more than a day at once, whatever the clock does', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 3 * DAY }) }),
      fc.record({ kind: fc.constant('jump' as const), ms: fc.integer({ min: -30 * YEAR, max: 30 * YEAR }) }),
      fc.record({ kind: fc.constant('restart' as const), ms: fc.integer({ min: 0, max: YEAR }) }),
      fc.record({ kind: fc.constant('confirm' as const), ms: fc.constant(0) }),
      fc.record({ kind: fc.constant('synchronise' as const), ms: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const gateway = new Gateway();
        let before = gateway.run().nowMs;
        for (const { kind, ms } of steps) {
          let passedMs = 0;
          if (kind === 'pass') {
            gateway.wallMs += ms;
            gateway.monotonicMs += ms;
            passedMs = ms;
          } else if (kind === 'jump') gateway.wallMs += ms;
          else if (kind === 'restart') gateway.restart(ms);
          else if (kind === 'confirm') gateway.clock.confirm();
          else gateway.synchronised = !gateway.synchronised;
          const { nowMs } = gateway.run();
          expect(nowMs - before).toBeLessThanOrEqual(
            passedMs + Math.max(BELIEVED_AT_ONCE_MS, CATCH_UP_STEP_MS),
          );
          expect(nowMs).toBeLessThanOrEqual(gateway.wallMs);
          before = nowMs;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a store whose clock jumps ten years ahead', () => {
  it('keeps everything, and loses a day at a time once the clock is believed', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const keepMs = 30 * DAY;
    const kept = {
      waveforms: keepMs,
      features: keepMs,
      events: keepMs,
      minutes: keepMs,
      hours: keepMs,
      days: keepMs,
    };
    for (let day = 0; day < 30; day++)
      await store.write({
        readings: Array.from({ length: 24 }, (_, hour) => ({
          point: 'm1.temperature',
          timeMs: START - (30 - day) * DAY + hour * 3_600_000,
          value: day,
          unit: 'degC',
          quality: 'good' as const,
        })),
      });
    await store.seal();
    const gateway = new Gateway();
    const run = async () => {
      gateway.newestDataMs = await store.newestDataMs();
      const { nowMs } = gateway.run();
      await store.retention({
        nowMs,
        budgetBytes: Number.MAX_SAFE_INTEGER,
        keepMs: { ...kept, readings: keepMs },
      });
      return (await store.counts()).readings;
    };
    expect(await run()).toBe(30 * 24);
    gateway.wallMs += 10 * YEAR;
    expect(await run()).toBe(30 * 24);
    // The gateway goes on measuring, with the time that it has.
    await store.write({
      readings: [
        { point: 'm2.temperature', timeMs: gateway.wallMs, value: 1, unit: 'degC', quality: 'good' },
      ],
    });
    gateway.clock.confirm();
    let before = await run();
    for (let step = 0; step < 40; step++) {
      gateway.wallMs += CATCH_UP_EVERY_MS;
      gateway.monotonicMs += CATCH_UP_EVERY_MS;
      const left = await run();
      expect(before - left).toBeLessThanOrEqual(2 * 24);
      before = left;
    }
    expect(before).toBe(1);
  });
});

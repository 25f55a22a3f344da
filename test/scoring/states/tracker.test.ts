import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { RUN_DOWN, RUN_UP, STOPPED, UNSEEN } from '#sm/scoring/states/state.js';
import { type MeasureRule, type MeasureState, placeOf, stepMeasure } from '#sm/scoring/states/tracker.js';

const PUMP: MeasureRule = {
  stoppedBelow: 50,
  bins: [
    { name: 'half', from: 700, to: 1000 },
    { name: 'full', from: 1400, to: 1550 },
  ],
  hysteresis: 20,
  change: { by: 60, withinMs: 2_000 },
  dwellMs: 5_000,
};

/** States of a measure that has these values a second apart. */
function states(rule: MeasureRule, values: readonly number[], stepMs = 1_000): MeasureState[] {
  const all: MeasureState[] = [];
  for (const [i, value] of values.entries()) all.push(stepMeasure(rule, all.at(-1), value, i * stepMs));
  return all;
}
const names = (all: readonly MeasureState[]) => all.map(({ state }) => state.name);
const times = <T>(count: number, of: (i: number) => T) => Array.from({ length: count }, (_, i) => of(i));

describe('the state that a measure tells', () => {
  it('a noisy measure is steady from when its noise is known', () => {
    const random = seededRandom(3);
    const rule: MeasureRule = { stoppedBelow: 0.2, bins: [], hysteresis: 0.05, dwellMs: 5_000 };
    const all = states(
      rule,
      times(600, () => 2 + 0.3 * gaussian(random)),
    );
    expect(all.slice(60).filter(({ state }) => state.kind !== 'steady').length).toBeLessThan(6);
    // A run-down to half of it is still one.
    const later = states(rule, [...times(600, () => 2 + 0.01 * gaussian(random)), 1.8, 1.6, 1.4, 1.2, 1]);
    expect(later.at(-1)!.state).toEqual(RUN_DOWN);
  });

  it('goes from standing still by a run-up to a bin, and by a run-down to another', () => {
    const values = [
      ...times(10, () => 0),
      ...times(10, (i) => 148 * (i + 1)),
      ...times(10, () => 1480),
      ...times(4, (i) => 1480 - 170 * (i + 1)),
      ...times(10, () => 800),
    ];
    const found = names(states(PUMP, values));
    expect(found.slice(0, 10)).toEqual(times(10, () => 'stopped'));
    expect(found.slice(10, 24)).toEqual(times(14, () => 'run-up'));
    expect(found.slice(26, 30)).toEqual(times(4, () => 'full'));
    expect(found.slice(30, 38)).toEqual(times(8, () => 'run-down'));
    expect(found.at(-1)).toBe('half');
  });

  it('sees a run-up within one bin by its speed alone', () => {
    const rule: MeasureRule = { stoppedBelow: 50, bins: [], hysteresis: 5, dwellMs: 3_000 };
    const values = [...times(10, () => 0), ...times(20, (i) => 70 * (i + 1)), ...times(15, () => 1400)];
    const found = names(states(rule, values));
    expect(new Set(found.slice(10, 30))).toEqual(new Set(['run-up']));
    expect(found.at(-1)).toBe('running');
  });

  it('is unseen where the machine stays in no bin', () => {
    expect(states(PUMP, [...times(5, () => 1480), ...times(20, () => 1200)]).at(-1)?.state).toEqual(UNSEEN);
    expect(placeOf(PUMP, 3000)).toBe('');
  });

  it('takes one that hunts for longer than any run-up for running', () => {
    const rule: MeasureRule = {
      stoppedBelow: 50,
      bins: [],
      hysteresis: 5,
      dwellMs: 5_000,
      change: { by: 50, withinMs: 5_000 },
    };
    const hunting = states(
      rule,
      times(1_000, (i) => 1400 + 100 * Math.sin(i / 2)),
    );
    expect(hunting[100]?.state.kind).toMatch(/run-/);
    expect(hunting.at(-1)?.state.name).toBe('running');
  });

  it('stays in its state through noise within the hysteresis, at whatever edge (property)', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(50, 700, 1000, 1400, 1550),
        fc.array(fc.double({ min: -0.95, max: 0.95, noNaN: true }), { minLength: 30, maxLength: 120 }),
        (edge, noise) => {
          const rule = { ...PUMP, change: { by: 1e9, withinMs: 1 } };
          const all = names(
            states(
              rule,
              noise.map((share) => edge + 20 * share),
            ),
          );
          // Whatever the first value said holds.
          expect(new Set(all).size).toBe(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never enters a steady state before the dwell time, and is one of the known states (property)', () => {
    const value = fc.oneof(fc.constantFrom(0, 800, 1480), fc.double({ min: -100, max: 2000, noNaN: true }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(value, fc.integer({ min: 1, max: 4_000 })), { maxLength: 80 }),
        (steps) => {
          let before: MeasureState | undefined;
          let timeMs = 0;
          for (const [next, stepMs] of steps) {
            timeMs += stepMs;
            const after = stepMeasure(PUMP, before, next, timeMs);
            expect(['half', 'full', 'stopped', 'unseen', 'run-up', 'run-down']).toContain(after.state.name);
            if (
              before !== undefined &&
              after.state.name !== before.state.name &&
              !/^run-/.test(after.state.name)
            ) {
              expect(timeMs - after.sinceMs).toBeGreaterThanOrEqual(PUMP.dwellMs);
              expect(/^run-/.test(before.state.name)).toBe(true);
            }
            before = after;
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('goes on after a restart as if there had been none (property)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 10, 300, 800, 810, 1200, 1480, 1500), { minLength: 2, maxLength: 60 }),
        fc.nat(),
        (values, cut) => {
          let state: MeasureState | undefined;
          for (const [i, value] of values.entries()) {
            if (i === cut % values.length && state !== undefined) state = JSON.parse(JSON.stringify(state));
            state = stepMeasure(PUMP, state, value, 1_000 * i);
          }
          expect(state).toEqual(states(PUMP, values).at(-1));
        },
      ),
    );
  });

  it('settles in the bin of a value that stays (property)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1600, noNaN: true }), { maxLength: 20 }),
        fc.constantFrom(0, 850, 1480),
        (before, last) => {
          const end = states(PUMP, [...before, ...times(12, () => last)]).at(-1)!;
          expect(end.state.name).toBe(last === 0 ? STOPPED.name : last === 850 ? 'half' : 'full');
        },
      ),
    );
  });

  it('tells which way it went', () => {
    const up = states(PUMP, [...times(5, () => 850), 1480, 1480]);
    expect(up.at(-1)?.state).toEqual(RUN_UP);
    const down = states(PUMP, [...times(5, () => 1480), 850, 850]);
    expect(down.at(-1)?.state).toEqual(RUN_DOWN);
  });
});

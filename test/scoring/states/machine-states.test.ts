import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { type StatesConfig, statesSchema } from '#sm/scoring/states/config.js';
import { StateFinder } from '#sm/scoring/states/finder.js';
import { MachineStates } from '#sm/scoring/states/machine-states.js';

const speedAt = (states: MachineStates, timeMs: number, value: number, unit = 'rpm') =>
  states.observe({ point: 'pump-1.shaft.speed', unit, value, timeMs });

const declared = (text: unknown): MachineStates => new MachineStates('pump-1', statesSchema.parse(text));

describe('declared states of a machine', () => {
  const config = {
    point: '{machine}.shaft.speed',
    unit: 'rpm',
    stoppedBelow: 50,
    load: {
      point: 'pump-1.motor.power',
      bins: [
        { name: 'light', to: 10 },
        { name: 'heavy', from: 10 },
      ],
    },
  };

  it('are those of speed and load together, and unknown while one of them is silent', () => {
    const states = declared(config);
    expect(states.names).toEqual(['running/light', 'running/heavy']);
    for (let s = 0; s < 30; s++) {
      speedAt(states, s * 1000, 1480);
      if (s < 25)
        states.observe({ point: 'pump-1.motor.power', unit: 'kW', value: s < 12 ? 5 : 14, timeMs: s * 1000 });
    }
    expect(states.over(8_000, 9_000)?.name).toBe('running/light');
    expect(states.over(11_000, 13_500)?.kind).toBe('run-up');
    expect(states.over(23_000, 24_000)?.name).toBe('running/heavy');
    expect(states.over(84_500, 85_000)?.kind).toBe('unknown');
  });

  it('a window in which the state changes is of none', () => {
    const states = declared({ point: 'pump-1.shaft.speed', stoppedBelow: 50, dwell: '2s' });
    for (let s = 0; s < 20; s++) speedAt(states, s * 1000, s < 10 ? 1480 : 0);
    expect(states.over(7_000, 8_000)?.name).toBe('running');
    // The machine was last known to run at 9 s.
    expect(states.over(8_500, 9_500)?.name).toBe('run-down');
    expect(states.over(15_000, 16_000)?.name).toBe('stopped');
  });

  it('do not go by a value in another unit, and say unknown after a silence and before the first value', () => {
    const states = declared({
      point: 'pump-1.shaft.speed',
      unit: 'rpm',
      stoppedBelow: 50,
      silentAfter: '10s',
    });
    expect(states.over(0, 1)?.kind).toBe('unknown');
    speedAt(states, 1_000, 24.6, 'Hz');
    expect(states.over(1_000, 1_000)?.kind).toBe('unknown');
    speedAt(states, 2_000, 1480);
    expect(states.over(2_000, 3_000)?.name).toBe('running');
    speedAt(states, 60_000, 1480);
    expect(states.over(20_000, 30_000)?.kind).toBe('unknown');
    expect(states.over(60_000, 61_000)?.name).toBe('running');
  });

  it('a config that tells nothing, or whose bins overlap, is refused', () => {
    const refused = (of: unknown) => statesSchema.safeParse(of).success === false;
    expect(refused({ point: 'pump-1.shaft.speed' })).toBe(true);
    expect(
      refused({
        point: 'a.speed',
        bins: [
          { name: 'x', from: 0, to: 10 },
          { name: 'y', from: 5, to: 20 },
        ],
      }),
    ).toBe(true);
    expect(refused({ point: 'a.speed', bins: [{ name: 'stopped', to: 10 }] })).toBe(true);
    expect(statesSchema.parse(undefined)).toBe('found');
  });
});

/** A machine that stands still, runs at one speed and at another, time and again. */
function* shifts(
  rounds: number,
  levels: readonly number[],
  seed = 1,
): Generator<[timeMs: number, speed: number]> {
  const random = seededRandom(seed);
  let timeMs = 0;
  for (let round = 0; round < rounds; round++)
    for (const level of levels) {
      for (let s = 0; s < 150; s++, timeMs += 1000)
        yield [timeMs, level === 0 ? 0 : level * (1 + 0.004 * gaussian(random))];
    }
}

describe('states that are found', () => {
  const found = (config: StatesConfig = 'found') => new MachineStates('pump-1', config);

  it('none until the machine came back to its speeds three times; then each is one', () => {
    const states = found();
    const seen = new Set<string>();
    let first = Number.NaN;
    for (const [timeMs, speed] of shifts(6, [0, 980, 1480])) {
      speedAt(states, timeMs, speed);
      if (states.isKnown && Number.isNaN(first)) first = timeMs;
      if (states.isKnown) seen.add(states.over(timeMs, timeMs)!.name);
    }
    // The third visit of two of the levels ends after two rounds and more.
    expect(first).toBeGreaterThan(2 * 450_000);
    expect(first).toBeLessThan(4 * 450_000);
    expect([...seen].sort()).toEqual(['run-down', 'run-up', 'speed-1480', 'speed-980', 'stopped', 'unseen']);
    expect(states.names).toEqual(['speed-980', 'speed-1480']);
  });

  const currentAt = (states: MachineStates, timeMs: number, value: number, point = 'pump-1.motor.current') =>
    states.observe({ point, unit: 'A', value, timeMs });

  it('none where a fault comes once, stays, and wobbles', () => {
    const states = found();
    const random = seededRandom(5);
    for (let s = 0; s < 7_200; s++) {
      // After an hour the pump takes a fifth less; in three minutes it takes something else for 10 s, all the time.
      const level = s % 180 < 10 ? 9 : s < 3_600 ? 10 : 8;
      currentAt(states, s * 1000, level * (1 + 0.004 * gaussian(random)));
    }
    expect(states.isKnown).toBe(false);
  });

  it('none where a machine leaves for good where it ran, and changes between levels then', () => {
    const states = found();
    let timeMs = 0;
    for (const [level, minutes] of [[10, 120], ...Array.from({ length: 12 }, (_, i) => [i % 2 ? 8 : 6, 6])])
      for (let s = 0; s < minutes! * 60; s++, timeMs += 1000) currentAt(states, timeMs, level!);
    expect(states.isKnown).toBe(false);
    // It was the duty after all: it goes on for longer than what went before.
    for (let i = 0; i < 24; i++)
      for (let s = 0; s < 600; s++, timeMs += 1000) currentAt(states, timeMs, i % 2 ? 8 : 6);
    expect(states.names).toEqual(['current-6', 'current-8']);
  });

  it('none from what a machine gives off or what ails it', () => {
    for (const quantity of ['cooling-power', 'leakage-current', 'wind-speed']) {
      const states = found();
      for (const [timeMs, value] of shifts(6, [0, 980, 1480]))
        currentAt(states, timeMs, value, `pump-1.cooler.${quantity}`);
      expect(states.isKnown).toBe(false);
    }
  });

  it('from a noisy current where single values tell its levels apart, and held there', () => {
    const states = found();
    const random = seededRandom(6);
    let moving = 0;
    let late = 0;
    for (const [timeMs, level] of shifts(24, [1.2, 2.2])) {
      currentAt(states, timeMs, level + 0.1 * gaussian(random));
      if (timeMs < 12 * 300_000) continue;
      late++;
      const { kind } = states.over(timeMs, timeMs)!;
      if (kind !== 'steady') moving++;
    }
    expect(states.names).toHaveLength(2);
    // The dwell time after each of the changes, and what the finest noise takes out of a bin.
    expect(moving / late).toBeLessThan(0.1);
  });

  it('none from a current whose noise hides its levels', () => {
    const states = found();
    const random = seededRandom(7);
    for (const [timeMs, level] of shifts(24, [1.2, 1.5]))
      currentAt(states, timeMs, level + 0.25 * gaussian(random));
    expect(states.isKnown).toBe(false);
  });

  it('a speed that is steady, or drifts, is one state', () => {
    for (const drift of [0, 0.1]) {
      const states = found();
      const random = seededRandom(2);
      for (let s = 0; s < 20_000; s++)
        speedAt(states, s * 1000, 1480 * (1 + (drift * s) / 20_000 + 0.003 * gaussian(random)));
      expect(states.isKnown).toBe(false);
      expect(states.over(1, 2)).toBeUndefined();
    }
  });

  it('a level that comes once and stays is no state', () => {
    const states = found();
    const random = seededRandom(3);
    for (let s = 0; s < 20_000; s++)
      states.observe({
        point: 'pump-1.motor.current',
        unit: 'A',
        value: (s < 10_000 ? 12 : 17) * (1 + 0.02 * gaussian(random)),
        timeMs: s * 1000,
      });
    expect(states.isKnown).toBe(false);
  });

  it('standing still is known from a rated speed without any evidence', () => {
    const states = new MachineStates('pump-1', 'found', { ratedRpm: 1480 });
    speedAt(states, 0, 1476);
    expect(states.over(0, 0)?.name).toBe('running');
    for (let s = 1; s < 20; s++) speedAt(states, s * 1000, 0);
    expect(states.over(18_000, 19_000)?.kind).toBe('stopped');
  });

  it('a drive that goes to every speed gets a few bins', () => {
    const states = found();
    const random = seededRandom(4);
    let timeMs = 0;
    for (let visit = 0; visit < 200; visit++) {
      const speed = 600 * 2.5 ** random();
      for (let s = 0; s < 60; s++, timeMs += 1000)
        speedAt(states, timeMs, speed * (1 + 0.002 * gaussian(random)));
    }
    expect(states.names.length).toBeGreaterThanOrEqual(3);
    expect(states.names.length).toBeLessThanOrEqual(8);
  });

  it('the level of a waveform tells only whether it stands still, and a speed is better than that', () => {
    const states = found();
    const random = seededRandom(5);
    const rms = (timeMs: number, value: number) =>
      states.observe({ point: 'pump-1.de.acceleration', feature: 'rms', unit: 'g', value, timeMs });
    let timeMs = 0;
    for (let round = 0; round < 5; round++)
      for (const level of [0.4, 0.004])
        for (let s = 0; s < 120; s++, timeMs += 1000) rms(timeMs, level * Math.exp(0.1 * gaussian(random)));
    expect(states.over(timeMs - 2000, timeMs - 1000)?.name).toBe('stopped');
    for (let s = 0; s < 20; s++, timeMs += 1000) rms(timeMs, 2);
    expect(states.over(timeMs - 2000, timeMs - 1000)?.name).toBe('moving');
    speedAt(states, timeMs, 1480);
    expect(states.isKnown).toBe(false);
  });

  it('goes on after a restart with what was found', () => {
    const before = found();
    let stored: unknown;
    for (const [timeMs, speed] of shifts(5, [0, 980, 1480])) {
      speedAt(before, timeMs, speed);
      stored = before.takeChanged() ?? stored;
    }
    const after = new MachineStates('pump-1', 'found', { stored: JSON.parse(JSON.stringify(stored)) });
    speedAt(after, 1e9, 1478);
    expect(after.over(1e9, 1e9)?.name).toBe('speed-1480');
    expect(after.names).toEqual(before.names);
    expect(new StateFinder('other.speed', 'scalar', { stored }).rule).toBeUndefined();
  });
});

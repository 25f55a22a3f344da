import { describe, expect, it } from 'vitest';
import { ClockSkew } from '#sm/pipeline/machines/clock-skew.js';
import { MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { OperatingStates } from '#sm/pipeline/machines/operating-states.js';
import { watchedMachineSchema } from '#sm/scoring/watched-machine.js';

const HOUR = 3_600_000;

const statesOf = (states: unknown): OperatingStates =>
  new OperatingStates(new MachineRegistry([watchedMachineSchema.parse({ id: 'fan-1', states })]));
const speed = (point: string, timeMs: number, value: number) =>
  ({ point, timeMs, value, unit: 'rpm', quality: 'good' }) as const;

describe('the clocks of sources', () => {
  it('are known by the least time that a value took, once it took so long for a minute', () => {
    const skew = new ClockSkew();
    for (let s = 0; s <= 90; s++) skew.heard('a', 1000 * s, 1000 * s + HOUR + (s % 7) * 300);
    expect(skew.of('a')).toBe(HOUR);
    skew.heard('ahead', 10 * HOUR, 9 * HOUR);
    expect(skew.of('ahead')).toBe(-HOUR);
    expect(skew.of('never heard')).toBe(0);
  });

  it('values that were held back and come in one go say nothing of the clock', () => {
    const skew = new ClockSkew();
    for (let s = 0; s < 3600; s++) skew.heard('a', 1000 * s, HOUR + s);
    expect(skew.of('a')).toBe(0);
  });
});

describe('the operating states of the machines', () => {
  it('go by the time of the plant, though the clocks of speed and vibration are an hour apart', () => {
    const states = statesOf({ point: 'fan-1.shaft.speed', stoppedBelow: 50 });
    const changes: string[] = [];
    for (let s = 0; s < 300; s++) {
      const nowMs = 10 * HOUR + 1000 * s;
      states.block('fan-1.casing.acceleration', nowMs - HOUR, nowMs);
      const told = states.reading(speed('fan-1.shaft.speed', nowMs + 200, s < 200 ? 1480 : 0), nowMs + 200);
      changes.push(...told.map(({ state }) => state.name));
    }
    const at = (s: number) =>
      states.over('fan-1.casing.acceleration', 9 * HOUR + 1000 * s, 9 * HOUR + 1000 * s + 1000)?.name;
    expect(at(180)).toBe('running');
    expect(at(202)).toBe('run-down');
    expect(at(250)).toBe('stopped');
    expect(changes).toEqual(['running', 'run-down', 'stopped']);
  });

  it('a point of another machine may tell them', () => {
    const states = statesOf({ point: 'line-plc.speed', stoppedBelow: 50 });
    states.reading(speed('line-plc.speed', 1000, 900));
    expect(states.over('fan-1.casing.acceleration', 1000, 2000)?.name).toBe('running');
    expect(states.isTeller('line-plc.speed')).toBe(true);
    expect(states.view('fan-1', 2000)).toMatchObject({ state: 'running', toldBy: ['line-plc.speed'] });
    expect(states.over('line-plc.speed', 1000, 1000)).toBeUndefined();
  });

  it('a bad value tells nothing', () => {
    const states = statesOf({ point: 'fan-1.shaft.speed', stoppedBelow: 50 });
    states.reading({ ...speed('fan-1.shaft.speed', 1000, 0), quality: 'bad' });
    expect(states.over('fan-1.casing.acceleration', 1000, 1001)?.name).toBe('unknown');
  });

  it('what was found is kept over a restart and a reload', () => {
    const before = statesOf('found');
    let timeMs = 0;
    for (let round = 0; round < 5; round++)
      for (const value of [0, 700, 1480])
        for (let s = 0; s < 130; s++, timeMs += 1000)
          before.reading(speed('fan-1.shaft.speed', timeMs, value));
    const documents = before.takeChanged().map(({ key, document }) => [key, document] as const);
    expect(documents.map(([key]) => key)).toEqual(['states:fan-1']);
    const after = statesOf('found');
    after.restore(documents);
    for (const states of [after, before]) {
      states.reconfigure();
      states.reading(speed('fan-1.shaft.speed', timeMs, 1478));
      expect(states.over('fan-1.shaft.speed', timeMs, timeMs)?.name).toBe('speed-1480');
    }
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AlarmConfig, alarmConfigSchema } from '#sm/alarms/config.js';
import { AlarmEngine, type AlarmTransition } from '#sm/alarms/engine.js';
import { Metrics } from '#sm/base/metrics.js';
import type { Quality } from '#sm/signals/quality.js';

const POINT = 'pump-1.bearing-de.temperature';

const alarm = (config: Record<string, unknown>): AlarmConfig =>
  alarmConfigSchema.parse({ id: 'hot', point: POINT, ...config });

const reading = (value: number, timeMs: number, quality: Quality = 'good', point = POINT) => ({
  point,
  timeMs,
  value,
  unit: 'degC',
  quality,
});

const scored = (score: number, timeMs: number, threshold = 2, point = POINT) => ({
  point,
  timeMs,
  score,
  threshold,
  anomalous: score > threshold,
});

const steps = (transitions: readonly AlarmTransition[]) =>
  transitions.map(({ from, to }) => `${from} → ${to}`);

describe('an anomaly that is held back', () => {
  const heldBack = (score: number, timeMs: number) => ({ ...scored(score, timeMs), heldBack: true });

  it('raises nothing, and says nothing of an alarm that is there', () => {
    const engine = new AlarmEngine([alarm({ anomaly: true, offDelay: '10s' })]);
    expect(engine.evaluateScore(heldBack(5, 1000))).toEqual([]);
    expect(steps(engine.evaluateScore(scored(5, 2000)))).toEqual(['normal → unacknowledged']);
    expect(engine.evaluateScore(scored(1, 3000))).toEqual([]);
    expect(engine.evaluateScore(heldBack(5, 8000))).toEqual([]);
    expect(steps(engine.evaluateScore(scored(1, 13_000)))).toEqual([
      'unacknowledged → returned-unacknowledged',
    ]);
  });

  it('counts where the alarm wants no validation, or has a limit of its own', () => {
    for (const condition of [{ anomaly: true, validated: false }, { scoreAbove: 4 }]) {
      const engine = new AlarmEngine([alarm(condition)]);
      expect(engine.evaluateScore(heldBack(5, 1000)).map(({ alarm }) => alarm)).toContain('hot');
    }
  });
});

describe('somebody works on a machine', () => {
  it('while an alarm of it is out of service, over a restart too', () => {
    const engine = new AlarmEngine([alarm({ above: 85 })]);
    engine.evaluateReading(reading(20, 1000));
    expect(engine.inMaintenance('pump-1')).toBe(false);
    engine.operate('hot', POINT, { kind: 'remove-from-service', timeMs: 2000 }, { by: 'kim' });
    expect(engine.inMaintenance('pump-1')).toBe(true);
    expect(engine.inMaintenance('pump-2')).toBe(false);
    const restarted = new AlarmEngine([alarm({ above: 85 })]);
    restarted.restore(engine.snapshot());
    expect(restarted.inMaintenance('pump-1')).toBe(true);
    restarted.operate('hot', POINT, { kind: 'return-to-service', timeMs: 3000 }, { by: 'kim' });
    expect(restarted.inMaintenance('pump-1')).toBe(false);
  });
});

describe('limits', () => {
  it('comes above the setpoint and goes only below the deadband', () => {
    const engine = new AlarmEngine([
      alarm({ above: 85, deadband: 3, priority: 'high', text: 'Bearing hot', action: 'Check the grease' }),
    ]);
    expect(engine.evaluateReading(reading(85, 1000))).toEqual([]);
    const [raised] = engine.evaluateReading(reading(85.1, 2000));
    expect(raised).toEqual({
      alarm: 'hot',
      point: POINT,
      from: 'normal',
      to: 'unacknowledged',
      cause: 'condition',
      severity: 'high',
      message: `${POINT} is 85.1 degC, above 85 degC. Bearing hot. Check the grease.`,
      timeMs: 2000,
      value: 85.1,
      limit: 85,
      group: { id: 'pump-1@1970-01-01T00:00:02.000Z', firstOut: true, place: 1 },
    });
    expect(engine.evaluateReading(reading(82.1, 3000))).toEqual([]);
    expect(steps(engine.evaluateReading(reading(82, 4000)))).toEqual([
      'unacknowledged → returned-unacknowledged',
    ]);
    expect(steps(engine.operate('hot', POINT, { kind: 'acknowledge', timeMs: 5000 }, { by: 'kim' }))).toEqual(
      ['returned-unacknowledged → normal'],
    );
  });

  it('comes below the setpoint and goes only above the deadband', () => {
    const engine = new AlarmEngine([alarm({ below: 10, deadband: 2 })]);
    expect(engine.evaluateReading(reading(10, 1000))).toEqual([]);
    expect(steps(engine.evaluateReading(reading(9.9, 2000)))).toEqual(['normal → unacknowledged']);
    expect(engine.evaluateReading(reading(11.9, 3000))).toEqual([]);
    expect(steps(engine.evaluateReading(reading(12, 4000)))).toEqual([
      'unacknowledged → returned-unacknowledged',
    ]);
  });

  it('never chatters: noise inside the deadband changes the state once at most', () => {
    const noise = fc.array(fc.double({ min: 82.001, max: 100, noNaN: true }), { maxLength: 300 });
    fc.assert(
      fc.property(noise, (values) => {
        const engine = new AlarmEngine([alarm({ above: 85, deadband: 3 })]);
        const changes = values.flatMap((value, index) => engine.evaluateReading(reading(value, index)));
        expect(changes.length).toBe(values.some((value) => value > 85) ? 1 : 0);
      }),
    );
  });

  it('leaves bad values and values that are no number alone', () => {
    const engine = new AlarmEngine([alarm({ above: 85 })]);
    expect(engine.evaluateReading(reading(99, 1000, 'bad'))).toEqual([]);
    expect(engine.evaluateReading(reading(Number.NaN, 1100))).toEqual([]);
    expect(engine.evaluateReading(reading(99, 2000, 'uncertain')).length).toBe(1);
    expect(engine.evaluateReading(reading(20, 3000, 'bad'))).toEqual([]);
    expect(engine.evaluateReading(reading(Number.NaN, 3100, 'bad'))).toEqual([]);
    expect(engine.stateOf('hot', POINT)?.state).toBe('unacknowledged');
  });

  it('compares a value with every alarm of its point', () => {
    const engine = new AlarmEngine([alarm({ above: 85 }), alarm({ id: 'very-hot', above: 95 })]);
    expect(engine.evaluateReading(reading(90, 1000)).map((change) => change.alarm)).toEqual(['hot']);
    expect(engine.evaluateReading(reading(96, 2000)).map((change) => change.alarm)).toEqual(['very-hot']);
  });
});

describe('wildcards', () => {
  const matching: readonly [pattern: string, point: string, matches: boolean][] = [
    ['*', 'a', true],
    ['pump-1.*', 'pump-1.de.temperature', true],
    ['pump-1.*', 'pump-10.de.temperature', false],
    ['*.temperature', 'pump-1.de.temperature', true],
    ['*.temperature', 'pump-1.de.temperatures', false],
    ['pump-*.de.*', 'pump-1.de.x', true],
    ['pump-*.de.*', 'pump-1.nde.x', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a.b', 'aXb', false],
    ['*ab*ab', 'ab', false],
    ['*ab*ab', 'xabyab', true],
  ];
  it.each(matching)('%s and %s: %s', (pattern, point, expected) => {
    const engine = new AlarmEngine([alarm({ point: pattern, above: 1 })]);
    expect(engine.evaluateReading(reading(2, 0, 'good', point)).length).toBe(expected ? 1 : 0);
  });

  it('keeps a state for each point', () => {
    const engine = new AlarmEngine([alarm({ point: '*.temperature', above: 1 })]);
    engine.evaluateReading(reading(2, 0, 'good', 'a.temperature'));
    engine.evaluateReading(reading(0, 0, 'good', 'b.temperature'));
    expect(engine.snapshot().map(({ point }) => point)).toEqual(['a.temperature']);
  });

  it('watches a bounded number of points and counts what it leaves out', async () => {
    const metrics = new Metrics();
    const engine = new AlarmEngine([alarm({ point: '*', above: 1 })], { metrics });
    for (let i = 0; i < 20_000; i++) engine.evaluateReading(reading(0, 0, 'good', `p${i}`));
    expect(engine.evaluateReading(reading(2, 0, 'good', 'one-too-many'))).toEqual([]);
    expect(engine.evaluateReading(reading(2, 0, 'good', 'p7')).length).toBe(1);
    expect(await metrics.registry.metrics()).toContain('sm_edge_alarms_unwatched_total 1');
  });
});

describe('anomalies', () => {
  it('watches every scored point by itself: three seconds to come, thirty to go', () => {
    const engine = new AlarmEngine([]);
    expect(engine.evaluateScore(scored(5, 0))).toEqual([]);
    expect(engine.evaluateScore(scored(5, 2999))).toEqual([]);
    const [raised] = engine.evaluateScore(scored(5, 3000));
    expect(raised).toMatchObject({ alarm: 'anomaly', to: 'unacknowledged', value: 5, limit: 2 });
    // 1.9 is below the threshold, but within its deadband of 10 %.
    for (const timeMs of [4000, 50_000]) expect(engine.evaluateScore(scored(1.9, timeMs))).toEqual([]);
    expect(engine.evaluateScore(scored(1, 60_000))).toEqual([]);
    expect(engine.evaluateScore(scored(1, 90_000)).length).toBe(1);
  });

  it('leaves a point to the anomaly alarm of the config, also to one that is out of service', () => {
    const own = alarm({ id: 'odd', anomaly: true });
    expect(new AlarmEngine([own]).evaluateScore(scored(5, 0)).map((change) => change.alarm)).toEqual(['odd']);
    const silent = new AlarmEngine([{ ...own, enabled: false }]);
    for (const timeMs of [0, 10_000]) expect(silent.evaluateScore(scored(5, timeMs))).toEqual([]);
  });

  it('leaves a score that is no number alone', () => {
    const engine = new AlarmEngine([alarm({ id: 'odd', anomaly: true })]);
    engine.evaluateScore(scored(5, 0));
    expect(engine.evaluateScore(scored(Number.NaN, 1000))).toEqual([]);
    expect(engine.stateOf('odd', POINT)?.state).toBe('unacknowledged');
  });

  it('names the diagnosis', () => {
    const engine = new AlarmEngine([alarm({ id: 'odd', anomaly: true })]);
    const diagnosis = {
      fault: 'outer' as const,
      confidence: 0.9,
      sentence: 'The outer race is damaged',
      evidence: [],
    };
    const [raised] = engine.evaluateScore({ ...scored(5, 0), diagnosis });
    expect(raised?.message).toContain('The outer race is damaged.');
  });
});

describe('over a restart and a reload', () => {
  const hot = alarm({ above: 85, onDelay: '10s' });
  const raise = (engine: AlarmEngine) => [
    ...engine.evaluateReading(reading(90, 0)),
    ...engine.evaluateReading(reading(90, 10_000)),
  ];
  /** What storage does to a record. */
  const stored = (engine: AlarmEngine): unknown[] => JSON.parse(JSON.stringify(engine.snapshot()));

  it('goes on from the stored states', () => {
    const before = new AlarmEngine([hot]);
    raise(before);
    before.operate('hot', POINT, { kind: 'acknowledge', timeMs: 11_000 }, { by: 'kim' });
    const after = new AlarmEngine([hot]);
    after.restore([...stored(before), { alarm: 'hot' }, 'nonsense', null]);
    expect(after.snapshot()).toEqual(before.snapshot());
    expect(after.evaluateReading(reading(91, 12_000))).toEqual([]);
    expect(steps(after.evaluateReading(reading(20, 13_000)))).toEqual(['acknowledged → normal']);
  });

  it('forgets stored states of alarms that are not defined any more', () => {
    const before = new AlarmEngine([hot]);
    raise(before);
    const after = new AlarmEngine([]);
    after.restore(stored(before));
    expect(after.snapshot()).toEqual([]);
  });

  it('keeps state and running delay when other alarms are defined', () => {
    const engine = new AlarmEngine([hot]);
    raise(engine);
    engine.evaluateReading(reading(90, 5000, 'good', 'other'));
    engine.reconfigure([alarm({ id: 'new', point: '*', below: 0 }), hot]);
    expect(engine.stateOf('hot', POINT)?.state).toBe('unacknowledged');
    expect(
      steps(engine.operate('hot', POINT, { kind: 'acknowledge', timeMs: 12_000 }, { by: 'kim' })),
    ).toEqual(['unacknowledged → acknowledged']);

    const delayed = new AlarmEngine([hot]);
    delayed.evaluateReading(reading(90, 0));
    delayed.reconfigure([hot]);
    expect(delayed.evaluateReading(reading(90, 10_000)).length).toBe(1);
  });

  it('takes a new setpoint at once, with the state it had', () => {
    const engine = new AlarmEngine([hot]);
    raise(engine);
    engine.reconfigure([alarm({ above: 95, onDelay: '10s' })]);
    expect(steps(engine.evaluateReading(reading(90, 11_000)))).toEqual([
      'unacknowledged → returned-unacknowledged',
    ]);
  });

  it('forgets the state of an alarm that was removed or is out of service', () => {
    const engine = new AlarmEngine([hot]);
    raise(engine);
    engine.reconfigure([{ ...hot, enabled: false }]);
    expect(engine.snapshot()).toEqual([]);
    engine.reconfigure([hot]);
    expect(engine.snapshot()).toEqual([]);
  });

  it('acknowledges nothing at a point that it does not know, and does not remember its name', () => {
    const engine = new AlarmEngine([hot]);
    expect(engine.operate('hot', 'unknown', { kind: 'acknowledge', timeMs: 0 }, { by: 'kim' })).toEqual([]);
    expect(engine.operate('unknown', POINT, { kind: 'acknowledge', timeMs: 0 }, { by: 'kim' })).toEqual([]);
    expect(engine.stateOf('hot', POINT)).toBeUndefined();
  });
});

describe('definitions', () => {
  it('has exactly one condition', () => {
    const parse = (config: object) => alarmConfigSchema.safeParse({ id: 'a', point: '*', ...config }).success;
    expect(parse({})).toBe(false);
    expect(parse({ above: 1, below: 0 })).toBe(false);
    expect(parse({ above: 1 })).toBe(true);
    expect(parse({ anomaly: false })).toBe(false);
  });

  it('keeps the name of the built-in alarm for anomalies', () => {
    const parse = (config: object) =>
      alarmConfigSchema.safeParse({ id: 'anomaly', point: '*', ...config }).success;
    expect(parse({ above: 1 })).toBe(false);
    expect(parse({ anomaly: true })).toBe(true);
  });
});

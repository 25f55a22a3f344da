import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alarmConfigSchema } from '#sm/alarms/config.js';
import { AlarmEngine } from '#sm/alarms/engine.js';
import { alarmLoad } from '#sm/alarms/load.js';
import type { AlarmRecord } from '#sm/alarms/record.js';
import { type AlarmFact, alarmStatistics } from '#sm/alarms/statistics.js';
import { Metrics } from '#sm/base/metrics.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const fact = (type: AlarmFact['type'], timeMs: number, alarm = 'hot'): AlarmFact => ({
  type,
  alarm,
  point: 'pump-1.temperature',
  severity: 'high',
  timeMs,
});

const raisedAt = (...minutes: number[]) =>
  minutes.map((minute) => ({ alarm: 'hot', point: 'pump-1.temperature', timeMs: minute * MINUTE }));

describe('the load of alarms', () => {
  it('a flood begins with more than ten in ten minutes and ends with fewer than five', () => {
    const burst = Array.from({ length: 12 }, (_, i) => 100 + i * 0.5);
    const { floods, timeInFlood, perTenMinutes, hoursOver30, perHour, perDay } = alarmLoad(
      raisedAt(5, ...burst, 114, 116, 300),
      0,
      DAY,
    );
    // The fifth newest of the burst came at 103.5: ten minutes later fewer than five are left.
    expect(floods).toEqual([
      {
        fromMs: 100 * MINUTE,
        toMs: 113.5 * MINUTE,
        alarms: 12,
        first: { alarm: 'hot', point: 'pump-1.temperature' },
      },
    ]);
    expect(timeInFlood).toBeCloseTo(13.5 / (24 * 60), 9);
    expect(perTenMinutes).toMatchObject({ most: 12, mostAtMs: 100 * MINUTE });
    expect(perTenMinutes.inFlood).toBeCloseTo(1 / 144, 9);
    expect(hoursOver30).toBe(0);
    expect(perDay).toBeCloseTo(16, 9);
    expect(perHour).toBeCloseTo(16 / 24, 9);
  });

  it('ten in ten minutes are none', () => {
    const ten = Array.from({ length: 10 }, (_, i) => i * 0.5);
    expect(alarmLoad(raisedAt(...ten), 0, HOUR)).toMatchObject({ floods: [], timeInFlood: 0 });
    expect(alarmLoad([], 0, 0)).toMatchObject({ perDay: 0, floods: [], perTenMinutes: { most: 0 } });
  });

  it('agrees with a plain count at every alarm', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 4 * MINUTE }), { maxLength: 150 });
    fc.assert(
      fc.property(gaps, (given) => {
        let timeMs = 0;
        const raised = given.map((gap) => {
          timeMs += gap;
          return { alarm: 'hot', point: 'p', timeMs };
        });
        const { floods } = alarmLoad(raised, 0, timeMs + HOUR);
        // A reference without pointers: the count of the last ten minutes at any time, and its two limits.
        const inFlood = (at: number) => floods.some((flood) => at >= flood.fromMs && at < flood.toMs);
        for (const { timeMs: at } of raised) {
          const last = raised.filter((one) => one.timeMs <= at && one.timeMs > at - 10 * MINUTE).length;
          if (last > 10 && floods.length < 20) expect(inFlood(at)).toBe(true);
        }
        for (const [index, flood] of floods.entries()) {
          expect(flood.alarms).toBeGreaterThan(10);
          expect(flood.fromMs).toBeGreaterThanOrEqual(floods[index - 1]?.toMs ?? 0);
          const left = raised.filter(
            (one) =>
              one.timeMs <= flood.toMs && one.timeMs > flood.toMs - 10 * MINUTE && one.timeMs >= flood.fromMs,
          ).length;
          expect(left).toBeLessThan(5);
        }
      }),
    );
  });
});

describe('nuisance alarms', () => {
  it('names the most frequent, the chattering, the fleeting and the standing', () => {
    const facts = [
      ...[0, 10, 20, 30].flatMap((s) => [
        fact('raised', s * 1000, 'chatters'),
        fact('returned', s * 1000 + 5000, 'chatters'),
      ]),
      fact('raised', HOUR, 'seen'),
      fact('acknowledged', HOUR + 20_000, 'seen'),
      fact('returned', HOUR + 30_000, 'seen'),
    ];
    const standing = { alarm: 'stands', point: 'p', active: true, raisedMs: 1, state: 'acknowledged' };
    const shelved = { ...standing, alarm: 'away', active: false, state: 'shelved' };
    const found = alarmStatistics(facts, [standing, shelved] as AlarmRecord[], 0, 2 * DAY);
    expect(found).toMatchObject({
      raised: 5,
      frequent: [
        { alarm: 'chatters', count: 4, share: 0.8 },
        { alarm: 'seen', count: 1, share: 0.2 },
      ],
      frequentShare: 1,
      chattering: [{ alarm: 'chatters', count: 1 }],
      fleeting: [{ alarm: 'chatters', count: 4 }],
      standing: [{ alarm: 'stands', sinceMs: 1 }],
      byPriority: { high: 1 },
      acknowledgedAfterMs: 20_000,
      shelved: 1,
    });
  });
});

describe('a flood', () => {
  const metrics = new Metrics();
  const value = async (name: string) =>
    (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith(name));

  it('of a machine is one group with its first alarm, and shows in the metrics', async () => {
    const engine = new AlarmEngine([alarmConfigSchema.parse({ id: 'hot', point: '*', above: 80 })], {
      metrics,
    });
    const groups = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const point = `pump-1.bearing-${i}.temperature`;
      const [raised] = engine.evaluateReading({
        point,
        timeMs: i * 1000,
        value: 90,
        unit: '',
        quality: 'good',
      });
      groups.add(raised!.group!.id);
      expect(raised!.group).toMatchObject({ firstOut: i === 0, place: i + 1 });
    }
    expect(groups.size).toBe(1);
    expect(await value('sm_edge_alarms{')).toEqual([
      'sm_edge_alarms{state="unacknowledged",severity="medium"} 12',
    ]);
    expect(await value('sm_edge_alarms_flood ')).toEqual(['sm_edge_alarms_flood 1']);
    const point = 'pump-1.bearing-0.temperature';
    engine.operate('hot', point, { kind: 'acknowledge', timeMs: 20_000 }, { by: 'kim' });
    expect(await value('sm_edge_alarms{')).toEqual([
      'sm_edge_alarms{state="unacknowledged",severity="medium"} 11',
      'sm_edge_alarms{state="acknowledged",severity="medium"} 1',
    ]);
    engine.tick(11 * MINUTE);
    expect(await value('sm_edge_alarms_flood ')).toEqual(['sm_edge_alarms_flood 0']);
    const restarted = new Metrics();
    const again = new AlarmEngine([alarmConfigSchema.parse({ id: 'hot', point: '*', above: 80 })], {
      metrics: restarted,
    });
    again.restore(engine.snapshot());
    expect(await restarted.registry.metrics()).toContain(
      'sm_edge_alarms{state="unacknowledged",severity="medium"} 11',
    );
  });
});

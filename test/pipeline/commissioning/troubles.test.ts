import { describe, expect, it } from 'vitest';
import { troublesOf } from '#sm/pipeline/commissioning/troubles.js';
import { journaled, labelled, POINT, raised, returned } from '../../support/history.js';

const T = Date.parse('2026-11-01T00:00:00Z');
const MIN = 60_000;

describe('what was wrong at a machine', () => {
  it('an alarm counts from before it came until its condition is gone, whatever people did to it', () => {
    const { spans } = troublesOf(
      [
        raised('hot', 'pump-1.temperature', T),
        journaled('AlarmAcknowledged', T + MIN, {
          alarm: 'hot',
          point: 'pump-1.temperature',
          to: 'acknowledged',
        }),
        journaled('AlarmShelved', T + 2 * MIN, { alarm: 'hot', point: 'pump-1.temperature', to: 'shelved' }),
        returned('hot', 'pump-1.temperature', T + 9 * MIN),
        raised('hot', 'pump-1.temperature', T + 60 * MIN),
        raised('hot', 'fan-1.temperature', T + 3 * MIN),
      ],
      'pump-1',
    );
    expect(spans).toEqual([
      { fromMs: T - 2 * MIN, toMs: T + 9 * MIN, trouble: 'alarm' },
      { fromMs: T + 58 * MIN, toMs: Number.POSITIVE_INFINITY, trouble: 'alarm' },
    ]);
  });

  it('a false alarm is no trouble, nor the anomaly that led to it; a true one is a case', () => {
    const seen = (id: string, timeMs: number) =>
      journaled('AnomalyValidated', timeMs, { point: POINT, outcome: 'confirmed' }, id);
    const { spans, anomalies, forgiven, labels } = troublesOf(
      [
        seen('first', T),
        raised('odd', POINT, T + MIN, 'first'),
        returned('odd', POINT, T + 5 * MIN),
        labelled('odd', POINT, T + MIN, false),
        seen('second', T + 60 * MIN),
        raised('odd', POINT, T + 61 * MIN, 'second'),
        returned('odd', POINT, T + 70 * MIN),
        labelled('odd', POINT, T + 61 * MIN, true, 'outer race'),
      ],
      'pump-1',
    );
    expect(spans).toEqual([{ fromMs: T + 59 * MIN, toMs: T + 70 * MIN, trouble: 'true-alarm' }]);
    expect(anomalies.map(({ id }) => id)).toEqual(['second']);
    expect(forgiven).toEqual([{ fromMs: T - MIN, toMs: T + 5 * MIN }]);
    expect(labels).toMatchObject([
      { correct: false, by: 'anna' },
      { correct: true, cause: 'outer race', fromMs: T + 61 * MIN, toMs: T + 70 * MIN },
    ]);
  });

  it('while an alarm of the machine is out of service somebody works on it', () => {
    const out = { alarm: 'hot', point: 'pump-1.temperature', to: 'out-of-service' };
    const { spans } = troublesOf(
      [
        journaled('AlarmRemovedFromService', T, out),
        journaled('AlarmReturnedToService', T + 30 * MIN, { ...out, to: 'normal' }),
        journaled('AlarmRemovedFromService', T + 90 * MIN, out),
      ],
      'pump-1',
    );
    expect(spans).toEqual([
      { fromMs: T, toMs: T + 30 * MIN, trouble: 'maintenance' },
      { fromMs: T + 90 * MIN, toMs: Number.POSITIVE_INFINITY, trouble: 'maintenance' },
    ]);
  });
});

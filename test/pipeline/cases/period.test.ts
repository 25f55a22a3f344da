import { expect, it } from 'vitest';
import { isMissed, periodsOf } from '#sm/pipeline/cases/period.js';
import { healthyTable } from '#sm/pipeline/commissioning/healthy-table.js';
import { troublesOf } from '#sm/pipeline/commissioning/troubles.js';
import { StoredHistory } from '#sm/storage/history.js';
import {
  featureRows,
  journaled,
  labelled,
  POINT,
  raised,
  returned,
  writeFeatures,
} from '../../support/history.js';
import { StoreFolder } from '../../support/store.js';

const T = Date.parse('2026-11-01T00:00:00Z');
const MIN = 60_000;

const said = (id: string, fromMs: number, toMs: number, more: object) =>
  journaled(
    'PeriodLabelled',
    T + 600 * MIN,
    {
      ...{ point: POINT, by: 'anna', verdict: 'fault', cause: 'outer race', alarms: [], replaces: [] },
      ...{ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() },
      ...more,
    },
    id,
  );

it('what was said last of a stretch of time holds, and what was taken back does not', () => {
  const all = [
    said('a', T, T + MIN, {}),
    said('b', T, T + MIN, { verdict: 'healthy', replaces: ['a'] }),
    said('c', T + 5 * MIN, T + 9 * MIN, { alarms: [`odd@${POINT}`] }),
    said('d', T + 10 * MIN, T + 12 * MIN, { cause: 'loose' }),
    said('e', T + 20 * MIN, T + 21 * MIN, {}),
    said('f', T + 20 * MIN, T + 21 * MIN, { verdict: 'withdrawn', replaces: ['e'] }),
    journaled('PeriodLabelled', T, { point: POINT, from: 'yesterday' }, 'broken'),
  ];
  const periods = periodsOf(all);
  expect(periods.map(({ id }) => id)).toEqual(['b', 'c', 'd']);
  expect(periods[0]).toMatchObject({ isFault: false, fromMs: T, toMs: T + MIN, by: 'anna' });
  // A fault beside which an alarm stood was not missed.
  expect(periods.filter(isMissed).map(({ id }) => id)).toEqual(['d']);
});

it('a reported fault is a trouble of its machine; of a point that was healthy anomalies do not count', () => {
  const seen = (id: string, timeMs: number, point = POINT) =>
    journaled('AnomalyValidated', timeMs, { point, outcome: 'confirmed' }, id);
  const { spans, anomalies, stood } = troublesOf(
    [
      seen('inside', T + MIN),
      seen('outside', T + 30 * MIN),
      seen('elsewhere', T + MIN, 'pump-1.bearing-nde.acceleration'),
      raised('odd', POINT, T + 40 * MIN),
      returned('odd', POINT, T + 41 * MIN),
      labelled('odd', POINT, T + 40 * MIN, false),
      said('h', T, T + 10 * MIN, { verdict: 'healthy' }),
      said('x', T + 50 * MIN, T + 60 * MIN, {}),
      said('y', T + 70 * MIN, T + 80 * MIN, { point: 'fan-1.acceleration' }),
    ],
    'pump-1',
  );
  expect(spans).toEqual([{ fromMs: T + 50 * MIN, toMs: T + 60 * MIN, trouble: 'reported' }]);
  expect(anomalies.map(({ id }) => id)).toEqual(['outside', 'elsewhere']);
  expect(stood).toMatchObject([{ alarm: 'odd', correct: false }]);
});

it('the next training leaves a reported fault out, and learns what a person called healthy', async () => {
  const made = await StoreFolder.create();
  const store = await made.open();
  await writeFeatures(store, featureRows(POINT, T, 600));
  const events = [
    // Nobody said anything of this alarm: what it stood in is not learned, but for the part that was called healthy.
    raised('odd', POINT, T + 4 * MIN),
    returned('odd', POINT, T + 6 * MIN),
    said('healthy', T + 4 * MIN, T + 5 * MIN, { verdict: 'healthy' }),
    said('fault', T + 8 * MIN, T + 9 * MIN, {}),
    said('both', T + 8.5 * MIN, T + 9 * MIN, { verdict: 'healthy' }),
  ];
  await store.write({
    events: events.map((event) => ({ ...event, version: String(event.type) === 'PeriodLabelled' ? 1 : 2 })),
  });
  const history = StoredHistory.open(made.file);
  try {
    const { leftOut, timesMs } = healthyTable(history, {
      ...{ point: POINT, fromMs: T, toMs: T + 10 * MIN },
      stateOf: () => 'running',
    });
    // The windows that touch the minute, at both of its ends.
    expect(leftOut.reported).toBe(62);
    expect(timesMs.filter((ms) => ms >= T + 8 * MIN && ms < T + 9 * MIN)).toEqual([]);
    const within = (from: number, to: number) =>
      timesMs.filter((ms) => ms >= T + from * MIN && ms + 1000 <= T + to * MIN).length;
    expect(within(4, 5)).toBe(60);
    expect(within(3, 4)).toBe(0);
    expect(within(5, 6)).toBe(0);
  } finally {
    history.close();
  }
});

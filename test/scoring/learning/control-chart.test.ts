import { describe, expect, it } from 'vitest';
import { gaussian, type Random, seededRandom } from '#sm/base/random.js';
import { type ChannelKind, ControlChart } from '#sm/scoring/learning/control-chart.js';
import { autocorrelationTime } from '#sm/scoring/learning/moments.js';

/** A process with a memory: x' = r x + noise, of standard deviation 1. */
function process(random: Random, length: number, r: number): number[] {
  let x = gaussian(random);
  return Array.from({ length }, () => {
    x = r * x + Math.sqrt(1 - r * r) * gaussian(random);
    return x;
  });
}

const channel = (kind: ChannelKind = 'value') => [{ name: 'x', kind }];

/** Rows from `fit` on that are out of control. */
function alarms(chart: ControlChart, values: readonly number[], fit: number): number[] {
  return values.flatMap((value, i) => (chart.step([value], i >= fit).score > 1 && i >= fit ? [i] : []));
}

describe('a control chart', () => {
  it('knows how much a series with a memory can tell', () => {
    const random = seededRandom(1);
    for (const r of [0, 0.5, 0.8]) {
      // Of an autoregressive process: (1 + r) / (1 - r).
      const expected = (1 + r) / (1 - r);
      const measured = autocorrelationTime(process(random, 20_000, r));
      expect(measured / expected).toBeGreaterThan(0.75);
      expect(measured / expected).toBeLessThan(1.15);
    }
  });

  it('alarms rarely on healthy processes, independent or not, and always on a shift of four standard deviations', () => {
    const random = seededRandom(2);
    for (const r of [0, 0.5, 0.8]) {
      let withAlarm = 0;
      let missed = 0;
      for (let run = 0; run < 100; run++) {
        const healthy = process(random, 1000, r);
        const chart = ControlChart.fit(channel(), [healthy.slice(0, 400)]);
        if (alarms(chart, healthy, 400).length > 0) withAlarm++;
        const shifted = process(random, 400, r).map((x) => x + 4);
        if (alarms(chart, shifted, 0).length < 100) missed++;
      }
      expect({ r, withAlarm }).toEqual({ r, withAlarm: Math.min(withAlarm, 6) });
      expect({ r, missed }).toEqual({ r, missed: 0 });
    }
  });

  it('compares a channel that drifts with its recent past: going on like that is healthy, a gross change is not', () => {
    const random = seededRandom(3);
    const channels = [
      { name: 'steady', kind: 'value' as const },
      { name: 'drifting', kind: 'value' as const },
    ];
    const walk = (): number[] => {
      let x = 0;
      return Array.from({ length: 3000 }, () => {
        x += gaussian(random);
        return x;
      });
    };
    const warming = Array.from({ length: 3000 }, (_, i) => 20 + i / 20 + gaussian(random) / 10);
    let withAlarm = 0;
    let judged = 0;
    for (let run = 0; run < 60; run++) {
      const drifting = run === 0 ? warming : walk();
      const learned = drifting.slice(0, 400);
      const range = Math.max(...learned) - Math.min(...learned);
      const chart = ControlChart.fit(channels, [process(random, 400, 0), learned]);
      expect(chart.judged).toEqual(['steady', 'drifting']);
      // A walk that happened to come back often looks like a process with a level.
      if (run > 0 && chart.drifting.length === 0) continue;
      expect(chart.drifting).toEqual(['drifting']);
      judged++;
      const scores = drifting.map((x, i) => Math.abs(chart.step([0, x], i >= 400).deviations[1]!));
      if (scores.some((score) => score > 1)) withAlarm++;
      const fallen = drifting.at(-1)! - 10 * range;
      expect(Array.from({ length: 60 }, () => chart.step([0, fallen]).score).at(-1)).toBeGreaterThan(1);
      expect(chart.step([0, fallen]).channel).toBe('drifting');
    }
    expect(judged).toBeGreaterThan(30);
    expect(withAlarm).toBeLessThanOrEqual(1);
  });

  it('gives a single channel limits of its own, however long its memory is', () => {
    const random = seededRandom(8);
    const healthy = process(random, 400, 0.98);
    const chart = ControlChart.fit(channel(), [healthy]);
    expect(chart.drifting).toEqual([]);
    expect(alarms(chart, new Array(400).fill(1e3), 0).length).toBeGreaterThan(100);
  });

  it('is back in control soon after a machine is, however far out and however long it was', () => {
    const random = seededRandom(9);
    for (const r of [0, 0.5, 0.9]) {
      const healthy = process(random, 1000, r);
      const chart = ControlChart.fit(channel(), [healthy]);
      const { lambda } = chart.toJSON().channels[0]!;
      const faulty = process(random, 1000, r).map((x) => x + 50);
      let worst = 0;
      for (const x of faulty) worst = Math.max(worst, chart.step([x]).score);
      // The decision is capped, what is told of the fault is not.
      expect(worst).toBeGreaterThan(8);
      const found = alarms(chart, process(random, 1000, r), 0);
      expect(found.length, `memory ${r}`).toBeLessThan(2 / lambda);
      expect(found.at(-1) ?? 0).toBeLessThan(2 / lambda);
    }
  });

  it('follows a slow drift of healthy conditions, and does not learn a growing fault away', () => {
    const random = seededRandom(4);
    const drift = (perStep: number) =>
      process(random, 6000, 0).map((x, i) => x + Math.max(0, i - 500) * perStep);
    const fit = (values: number[]) => ControlChart.fit(channel(), [values.slice(0, 500)]);
    const slow = drift(2 / 5500);
    expect(alarms(fit(slow), slow, 500).length).toBeLessThan(30);
    const fault = drift(20 / 5500);
    const found = alarms(fit(fault), fault, 500);
    expect(found.length).toBeGreaterThan(4000);
    expect(found.at(-1)).toBe(5999);
  });

  it('compares levels by ratio: a change below half a decibel is none, one of 8 dB always is', () => {
    const random = seededRandom(5);
    const steady = Array.from({ length: 300 }, () => 1 + 1e-5 * gaussian(random));
    const chart = ControlChart.fit(channel('amplitude'), [steady]);
    expect(alarms(chart, new Array(200).fill(1.05), 0)).toEqual([]);
    expect(alarms(chart, new Array(200).fill(1.08), 0).length).toBeGreaterThan(100);
    const wild = Array.from({ length: 300 }, (_, i) => Math.exp(i / 100));
    expect(
      alarms(ControlChart.fit(channel('amplitude'), [wild]), new Array(400).fill(60), 0).length,
    ).toBeGreaterThan(0);
  });

  it('one wild value is no alarm, missing values change nothing', () => {
    const random = seededRandom(6);
    const values = process(random, 400, 0);
    const chart = ControlChart.fit(channel(), [values]);
    for (const value of values) chart.step([value], false);
    const before = chart.step([Number.NaN]).score;
    expect(chart.step([Number.NaN]).score).toBe(before);
    expect(chart.step([1e9]).score).toBeLessThan(1);
  });

  it('goes on from its stored form as if it had not been stored', () => {
    const random = seededRandom(7);
    const values = process(random, 900, 0.5);
    const one = ControlChart.fit(channel(), [values.slice(0, 400)]);
    for (const value of values.slice(0, 600)) one.step([value]);
    const other = ControlChart.fromJSON(JSON.parse(JSON.stringify(one)));
    for (const value of values.slice(600)) expect(other.step([value])).toEqual(one.step([value]));
    expect(() => ControlChart.fromJSON({ format: 'sm-edge-chart/1' })).toThrow(/not a stored chart/);
  });

  it('refuses to learn from too little', () => {
    expect(() => ControlChart.fit(channel(), [[1, 2, 3]])).toThrow(/no channel has 30 values/);
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { Baseline, READING_BASELINE, READING_FEATURE } from '#sm/scoring/baseline.js';

const DAY_MS = 86_400_000;
const STEP_MS = 600_000;

/** A window every ten minutes; `level` tells how loud the machine is on a day. */
function* lives(days: number, level: (day: number) => number, seed: number) {
  const random = seededRandom(seed);
  for (let timeMs = 0; timeMs < days * DAY_MS; timeMs += STEP_MS) {
    const gain = level(timeMs / DAY_MS);
    const rms = 0.1 * gain * Math.exp(0.08 * gaussian(random));
    yield {
      timeMs,
      vector: {
        rms,
        peak: 4 * rms * Math.exp(0.1 * gaussian(random)),
        velocityRmsMmPerS: 12 * rms,
        kurtosis: 3 + 0.2 * gaussian(random),
      },
    };
  }
}

const anomalousDays = (baseline: Baseline, windows: ReturnType<typeof lives>): number[] => {
  const days: number[] = [];
  for (const { timeMs, vector } of windows)
    if (baseline.update(vector, timeMs)?.anomalous) days.push(timeMs / DAY_MS);
  return days;
};

describe('a baseline that follows, within bounds', () => {
  it('a fault that grows over weeks is not learned away, however slowly', () => {
    for (const weeks of [6, 20]) {
      const days = 7 * weeks;
      const level = (day: number) => (day < 7 ? 1 : 4 ** ((day - 7) / (days - 7)));
      const found = anomalousDays(new Baseline(), lives(days, level, weeks));
      // Seen while it is little more than three times as loud, and ever after.
      expect(level(found[0]!)).toBeLessThan(3.2);
      const last = found.filter((day) => day > days - 3);
      expect(last.length).toBeGreaterThan((0.99 * (3 * DAY_MS)) / STEP_MS);
    }
  });

  it('the course of the day and of the year are followed', () => {
    const course = (day: number) =>
      1 + 0.12 * Math.sin(2 * Math.PI * day) + 0.15 * Math.sin((2 * Math.PI * day) / 365);
    expect(anomalousDays(new Baseline(), lives(200, course, 3)).length).toBeLessThanOrEqual(2);
  });

  it('so is the temperature of a hall, but not a bearing that gets hotter week by week', () => {
    const run = (drift: (day: number) => number) => {
      const random = seededRandom(5);
      const baseline = new Baseline(READING_BASELINE);
      let anomalous = 0;
      for (let timeMs = 0; timeMs < 60 * DAY_MS; timeMs += STEP_MS) {
        const day = timeMs / DAY_MS;
        const value = 55 + 3 * Math.sin(2 * Math.PI * day) + drift(day) + 0.3 * gaussian(random);
        if (baseline.update({ [READING_FEATURE]: value }, timeMs)?.anomalous) anomalous++;
      }
      return anomalous;
    };
    expect(run((day) => 4 * Math.sin((2 * Math.PI * day) / 120))).toBe(0);
    expect(run((day) => Math.max(0, day - 7) * 0.7)).toBeGreaterThan(1_000);
  });

  it('never goes farther from home than its bound, whatever comes (property)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -0.02, max: 0.03, noNaN: true }), { minLength: 40, maxLength: 120 }),
        fc.nat(1000),
        (steps, seed) => {
          const random = seededRandom(seed);
          const baseline = new Baseline({ ...READING_BASELINE, memory: 50, home: { values: 100, ms: 0 } });
          let center = 10;
          for (let i = 0; i < 200; i++) baseline.update({ value: center + 0.2 * gaussian(random) }, i);
          const home = baseline.toJSON().features.value!.home!;
          expect(home.open).toBe(false);
          for (const step of steps)
            for (let i = 0; i < 20; i++) {
              center += step;
              baseline.update({ value: center + 0.2 * gaussian(random) }, 200);
            }
          const { center: now, scale } = baseline.toJSON().features.value!;
          const reach = 3 * Math.max(home.scale, 0.005 * Math.abs(now) + 1e-9);
          expect(now).toBeGreaterThanOrEqual(home.low - 1.01 * reach);
          expect(now).toBeLessThanOrEqual(home.high + 1.01 * reach);
          expect(scale).toBeLessThanOrEqual(1.27 * Math.max(home.scale, 0.005 * Math.abs(now)));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('what was stored before there was a bound gets one from where it is', () => {
    const old = { log: true, count: 5000, center: Math.log(0.1), scale: 0.1, first: [] };
    const baseline = Baseline.fromJSON({ format: 'sm-edge-baseline/1', pause: 0, features: { rms: old } });
    expect(baseline.update({ rms: 0.1 }, 1)?.anomalous).toBe(false);
    expect(baseline.toJSON().features.rms!.home).toMatchObject({ open: true });
  });

  const data = process.env.SM_EDGE_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));
  const table = `${data}/ims/features/test2_raw.csv`;
  it.skipIf(!existsSync(table))(
    'IMS test 2: the failing bearing is anomalous to its end, the others until then not',
    () => {
      const [head, ...rows] = readFileSync(table, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(','));
      const columns = head!.map((name, i) => ({ name, i })).filter(({ i }) => i > 0);
      const bearings = [...new Set(columns.map(({ name }) => /(\d)/.exec(name)?.[1] ?? ''))].filter(
        (of) => of !== '',
      );
      expect(bearings.length).toBeGreaterThanOrEqual(4);
      const shares = bearings.slice(0, 4).map((bearing) => {
        const own = columns.filter(({ name }) => /(\d)/.exec(name)?.[1] === bearing);
        const baseline = new Baseline();
        return rows
          .slice(0, 980)
          .map(
            (row, at) =>
              baseline.update(
                Object.fromEntries(own.map(({ name, i }) => [name, Number(row[i])])),
                at * STEP_MS,
              )?.anomalous === true,
          );
      });
      const share = (of: boolean[]) => of.filter((is) => is).length / of.length;
      expect(share(shares[0]!.slice(700, 980))).toBeGreaterThan(0.9);
      for (const other of shares) expect(share(other.slice(0, 500))).toBeLessThan(0.02);
    },
  );
});

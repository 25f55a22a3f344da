import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { limitsByState } from '#sm/scoring/learning/state-limits.js';
import { modelManifestSchema } from '#sm/scoring/manifest.js';
import { thresholdIn } from '#sm/scoring/state-thresholds.js';
import { UNKNOWN } from '#sm/scoring/states/state.js';
import { extremeQuantiles } from '#sm/scoring/training/extreme-value.js';
import { linearModel, manifestOf } from '../support.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Compared {
  readonly low: { readonly falseAlarms: number; readonly faultsFound: number };
  readonly falseAlarmsTogether: number;
  readonly worstDutyFalseAlarms: number;
}

describe('limits of operating states', () => {
  const random = seededRandom(41);
  /** Scores of a state: log-normal, `wide` times those of another. */
  const scores = (count: number, wide: number) =>
    Array.from({ length: count }, () => wide * Math.exp(0.4 * gaussian(random)));
  const P = 1e-3;

  it('keep the rate over all states together, also where the thin one is the loudest', () => {
    let alarms = 0;
    let rows = 0;
    for (let trial = 0; trial < 20; trial++) {
      const parts = { low: scores(2_000, 1), high: scores(2_000, 3), rare: scores(200, 5) };
      const states = Object.entries(parts).flatMap(([state, of]) => of.map(() => state));
      const limits = limitsByState(Object.values(parts).flat(), states, P);
      expect(limits.states.get('rare')).toEqual({ rows: 200, limit: undefined });
      expect(limits.states.get('high')!.limit! / limits.states.get('low')!.limit!).toBeGreaterThan(2);
      for (const [state, count, wide] of [
        ['low', 20_000, 1],
        ['high', 20_000, 3],
        ['rare', 2_000, 5],
      ] as const) {
        const limit = limits.states.get(state)!.limit ?? limits.overall;
        alarms += scores(count, wide).filter((score) => score > limit).length;
        rows += count;
      }
    }
    expect(alarms / rows).toBeLessThan(1.6 * P);
    expect(alarms / rows).toBeGreaterThan(0.4 * P);
  });

  it('are the overall one where every state is thin', () => {
    const { overall, states } = limitsByState(
      [...scores(200, 1), ...scores(200, 3)],
      [...new Array<string>(200).fill('low'), ...new Array<string>(200).fill('high')],
      P,
    );
    expect([...states.values()]).toEqual([
      { rows: 200, limit: undefined },
      { rows: 200, limit: undefined },
    ]);
    expect(overall).toBeGreaterThan(5);
  });

  it('share the shape of the tail, so that a state of a few hundred rows is no guess', () => {
    const exact = Math.exp(0.4 * 3.719);
    let together = 0;
    const trials = 60;
    for (let trial = 0; trial < trials; trial++) {
      const found = extremeQuantiles(
        new Map([
          ['rich', scores(5_000, 4)],
          ['few', scores(400, 1)],
        ]),
        1e-4,
      ).get('few')!;
      together += Math.abs(Math.log(found / exact)) / trials;
    }
    // A tail fitted to the 400 rows alone is wrong by more than 20 % in the mean.
    expect(together).toBeLessThan(0.15);
  });
});

describe('a manifest', () => {
  const model = linearModel();
  const withThreshold = (threshold: object) => {
    const { threshold: _, ...rest } = manifestOf(model);
    return modelManifestSchema.safeParse({ ...rest, threshold });
  };
  const base = { value: 10, method: 'by hand' };

  it('without states holds as before; with them each threshold is of a steady state', () => {
    expect(withThreshold(base).success).toBe(true);
    expect(withThreshold({ ...base, states: { 'full/heavy': { value: 3, samples: 9 } } }).success).toBe(true);
    const faults = (states: object) =>
      withThreshold({ ...base, states })
        .error!.issues.map(
          ({ path, message, ...of }) =>
            `${path.join('.')}: ${message} ${JSON.stringify('issues' in of ? of.issues : '')}`,
        )
        .join();
    expect(faults({ stopped: { value: 3 } })).toMatch(/nothing is judged by a model of its own in stopped/);
    expect(faults({ 'full load': { value: 3 } })).toMatch(/is no name of an operating state/);
    expect(faults(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`s${i}`, { value: 1 }])))).toMatch(
      /more than 16 states/,
    );
  });

  it('of a score that is anomalous below its threshold has the lowest one where the state is not known', () => {
    const manifest = manifestOf(model, {
      output: { tensor: 'score', meaning: 'm', anomalous: 'below' },
      threshold: { ...base, states: { low: { value: 2 }, high: { value: 12 } } },
    });
    expect(thresholdIn(manifest, { kind: 'steady', name: 'high' })).toBe(-12);
    expect(thresholdIn(manifest, { kind: 'steady', name: 'other' })).toBe(-10);
    expect(thresholdIn(manifest, UNKNOWN)).toBe(-2);
  });
});

it('machines with two duties: one threshold misses the faults of the quiet one, and falsely reports the other', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['bench/run.js', 'state-thresholds'], {
    cwd: ROOT,
    env: { ...process.env, SM_EDGE_BENCH_MACHINES: '2', SM_EDGE_BENCH_DETECTORS: 'mahalanobis' },
  });
  const compared = (JSON.parse(stdout) as { results: { 'state-thresholds': Record<string, Compared> } })
    .results['state-thresholds'];
  const one = compared.one!;
  const each = compared['per state']!;
  expect(one.low.faultsFound).toBeLessThan(0.1);
  expect(each.low.faultsFound).toBeGreaterThan(0.4);
  expect(one.worstDutyFalseAlarms).toBeGreaterThan(2.5);
  expect(each.worstDutyFalseAlarms).toBeLessThan(2.5);
  expect(each.falseAlarmsTogether).toBeLessThan(2);
});

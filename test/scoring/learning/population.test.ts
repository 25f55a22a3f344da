import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { fitMahalanobis } from '#sm/scoring/learning/detectors/quadratic.js';
import { fitPopulation, judge, judgeHeldOut } from '#sm/scoring/learning/population.js';
import { applyScaler, commonFeatures, fitScaler } from '#sm/scoring/learning/scaler.js';

const random = seededRandom(11);

/** A block of a machine whose RMS and bands rise and fall together. */
function block(level = 1, shape = 1): Record<string, number> {
  const load = Math.exp(0.1 * gaussian(random));
  const jitter = () => Math.exp(0.05 * gaussian(random));
  return {
    rms: level * load * jitter(),
    'band.100-1000.rms': 0.5 * level * load * jitter(),
    'band.1000-2500.rms': 0.2 * level * load * jitter(),
    kurtosis: 3 * shape * jitter(),
    skewness: 0.1 * gaussian(random),
    spectralKurtosisBandHz: 100 * Math.ceil(60 * random()),
  };
}

const recordings = (count: number, make: () => Record<string, number>) =>
  Array.from({ length: count }, () => Array.from({ length: 6 }, make));

describe('the Mahalanobis distance', () => {
  const healthy = recordings(30, () => block()).flat();
  const model = fitMahalanobis(healthy, commonFeatures(healthy), random);

  it('is about 1 on the average healthy block, and leaves out where the kurtogram looked', () => {
    const mean = healthy.reduce((sum, row) => sum + model.score(row), 0) / healthy.length;
    expect(mean).toBeGreaterThan(0.6);
    expect(mean).toBeLessThan(1.2);
    expect(model.features).not.toContain('spectralKurtosisBandHz');
  });

  it('sees a combination that no feature shows by itself', () => {
    // One band up and the other down by what load alone would explain in either.
    const odd = {
      ...block(),
      rms: 1,
      'band.100-1000.rms': 0.5 * 1.25,
      'band.1000-2500.rms': 0.2 / 1.25,
      kurtosis: 3,
    };
    expect(model.score(odd)).toBeGreaterThan(2 * model.score({ ...odd, 'band.1000-2500.rms': 0.25 }));
  });

  it('says what each feature contributes: the Shapley values, by brute force over all coalitions', () => {
    const row = block(1.4, 1.6);
    const contributions = model.contributions!(row);
    const { features } = model;
    // The healthy mean in the scale of the model, as a row: where the score is zero.
    const scaler = fitScaler(healthy, features);
    const z = healthy.map((of) => applyScaler(scaler, of));
    const usual = Object.fromEntries(
      features.map((name, j) => {
        const mean = z.reduce((sum, of) => sum + of[j]!, 0) / z.length;
        const at = scaler.centers[j]! + mean * scaler.scales[j]!;
        return [name, scaler.log[j] ? Math.exp(at) : at];
      }),
    );
    expect(model.score(usual)).toBeCloseTo(0, 10);
    const n = features.length;
    const value = (coalition: number) =>
      model.score(
        Object.fromEntries(
          features.map((name, j) => [name, coalition & (1 << j) ? row[name]! : usual[name]!]),
        ),
      );
    const factorial = (k: number): number => (k < 2 ? 1 : k * factorial(k - 1));
    features.forEach((_, j) => {
      let shapley = 0;
      for (let coalition = 0; coalition < 1 << n; coalition++) {
        if (coalition & (1 << j)) continue;
        const size = [...features.keys()].filter((k) => coalition & (1 << k)).length;
        const weight = (factorial(size) * factorial(n - size - 1)) / factorial(n);
        shapley += weight * (value(coalition | (1 << j)) - value(coalition));
      }
      expect(contributions[j]).toBeCloseTo(shapley, 8);
    });
    expect(contributions.reduce((a, b) => a + b)).toBeCloseTo(model.score(row), 10);
  });
});

describe('a population of healthy recordings', () => {
  const healthy = recordings(12, () => block());

  it('takes healthy ones for healthy, held out or new, and louder and rougher ones for anomalous', () => {
    const population = fitPopulation(healthy);
    for (let i = 0; i < healthy.length; i++) expect(judgeHeldOut(healthy, i).score).toBeLessThan(1);
    for (const windows of recordings(50, () => block()))
      expect(judge(population, windows).score).toBeLessThan(1);
    for (const windows of recordings(20, () => block(2)))
      expect(judge(population, windows).score).toBeGreaterThan(1);
    for (const windows of recordings(20, () => block(1, 2)))
      expect(judge(population, windows).score).toBeGreaterThan(1);
  });

  it('ignores the level where it is told to', () => {
    const options = { falseAlarmProbability: 1e-3, ignoreLevel: true };
    const population = fitPopulation(healthy, options);
    for (const windows of recordings(20, () => block(3)))
      expect(judge(population, windows).score).toBeLessThan(1);
    for (const windows of recordings(20, () => block(1, 2)))
      expect(judge(population, windows).score).toBeGreaterThan(1);
  });

  it('learns from a single recording, and judges it without having seen it', () => {
    const [only] = recordings(1, () => block());
    expect(judgeHeldOut([only!], 0).score).toBeLessThan(1);
    expect(judge(fitPopulation([only!]), recordings(1, () => block(4, 3))[0]!).score).toBeGreaterThan(1);
    expect(() => fitPopulation([only!.slice(0, 2)])).toThrow(/too few/);
  });
});

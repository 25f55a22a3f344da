import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { inverseOf, ledoitWolf } from '#sm/scoring/learning/covariance.js';
import { momentsOf } from '#sm/scoring/learning/moments.js';
import { rocAucOf } from '#sm/scoring/learning/ranking.js';
import { studentQuantile } from '#sm/scoring/learning/student-t.js';
import { requirePython, runPython } from '../../support/venv.js';

/** What scipy and scikit-learn say of the same numbers. */
describe.skipIf(!requirePython('scipy', 'sklearn', 'numpy'))('against scipy and scikit-learn', () => {
  const random = seededRandom(7);
  const rows = Array.from({ length: 25 }, () => {
    const shared = gaussian(random);
    return Float64Array.from({ length: 12 }, (_, j) => shared * j + gaussian(random) * (1 + j));
  });
  const ranked = Array.from({ length: 200 }, () => ({
    // Few values, so that there are ties.
    score: Math.round(8 * random()),
    truth: random() < 0.3,
  }));
  const tails = [0.4, 0.05, 1e-3, 1e-5, 1e-9].flatMap((p) =>
    [1, 2.5, 4, 30, 1000].map((n) => [p, n] as const),
  );

  it('Student quantiles, moments, Ledoit-Wolf covariance and its inverse, and the area under the ROC curve agree', async () => {
    const script = `
import json, sys, numpy as np
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
given = json.load(sys.stdin)
rows = np.array(given['rows'])
lw = LedoitWolf().fit(rows)
print(json.dumps(dict(
    quantiles=[float(stats.t.isf(p, n)) for p, n in given['tails']],
    skew=float(stats.skew(rows[:, 3])), sd=float(rows[:, 3].std()),
    covariance=lw.covariance_.ravel().tolist(), precision=lw.precision_.ravel().tolist(), shrinkage=float(lw.shrinkage_),
    auc=float(roc_auc_score([r['truth'] for r in given['ranked']], [r['score'] for r in given['ranked']])))))
`;
    const given = JSON.stringify({ rows: rows.map((row) => [...row]), tails, ranked });
    const told = JSON.parse(
      await runPython([
        '-c',
        script.replace('sys.stdin', `__import__('io').StringIO(${JSON.stringify(given)})`),
      ]),
    );

    tails.forEach(([probability, degrees], i) => {
      expect(studentQuantile(probability, degrees) / told.quantiles[i]).toBeCloseTo(1, 9);
    });
    const { skewness, standardDeviation } = momentsOf(rows.map((row) => row[3]!));
    expect(skewness).toBeCloseTo(told.skew, 10);
    expect(standardDeviation).toBeCloseTo(told.sd, 10);
    const { covariance, shrinkage } = ledoitWolf(rows);
    expect(shrinkage).toBeCloseTo(told.shrinkage, 10);
    covariance.forEach((value, i) => {
      expect(value).toBeCloseTo(told.covariance[i], 8);
    });
    inverseOf(covariance, 12).forEach((value, i) => {
      expect(value).toBeCloseTo(told.precision[i], 8);
    });
    expect(rocAucOf(ranked)).toBeCloseTo(told.auc, 12);
  });
});

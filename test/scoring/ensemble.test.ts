import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMBINATIONS, combineScores, ModelPrecision } from '#sm/scoring/ensemble.js';
import { type Score, withWhatWasSaid } from '#sm/scoring/score.js';

const says = (model: string, score: number, threshold = 10): Score => ({
  ...{ model, version: '1', score, threshold },
  anomalous: score > threshold,
});
const even = () => 0.5;

describe('one score of several models', () => {
  const three = [says('a', 20), says('b', 5), says('c', 0.9, 0.6)];

  it('compares them by their thresholds', () => {
    const of = (combine: (typeof COMBINATIONS)[number]) => combineScores(three, combine, even);
    expect(of('max')).toMatchObject({
      model: 'ensemble',
      version: 'max',
      score: 2,
      threshold: 1,
      anomalous: true,
    });
    expect(of('mean').score).toBeCloseTo((2 + 0.5 + 1.5) / 3, 12);
    expect(of('vote').score).toBeCloseTo(4 / 3, 12);
    expect(of('weighted').score).toBeCloseTo(of('mean').score, 12);
    expect(of('max').members).toMatchObject([{ model: 'a', score: 20 }, { model: 'b' }, { model: 'c' }]);
  });

  it('half of the votes are no majority', () => {
    expect(combineScores([says('a', 20), says('b', 5)], 'vote', even).anomalous).toBe(false);
  });

  it('holds for scores that are negative (isolation forests)', () => {
    const one = combineScores([says('forest', -0.4, -0.5), says('b', 5)], 'max', even);
    expect(one.score).toBeCloseTo(1.2, 12);
    expect(one.anomalous).toBe(true);
  });

  it('says which models do not speak', () => {
    expect(combineScores([says('a', 20)], 'mean', even, ['b/1: needs rms'])).toMatchObject({
      leftOut: 'b/1: needs rms',
      members: [{ model: 'a' }],
    });
  });

  it('lies between the least and the most anomalous model, and all agree where all agree (property)', () => {
    const score = fc.record({
      score: fc.double({ min: -50, max: 50, noNaN: true }),
      threshold: fc.constantFrom(-0.5, 0.5, 6, 100),
    });
    fc.assert(
      fc.property(
        fc.array(score, { minLength: 1, maxLength: 8 }),
        fc.array(fc.double({ min: 0.05, max: 0.95, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (scores, weights) => {
          const members = scores.map(({ score: value, threshold }, i) => says(`m${i}`, value, threshold));
          for (const combine of COMBINATIONS) {
            const one = combineScores(members, combine, (model) => weights[Number(model.slice(1))]!);
            const flags = new Set(members.map(({ anomalous }) => anomalous));
            if (flags.size === 1) expect(one.anomalous).toBe(members[0]!.anomalous);
            if (combine === 'vote') continue;
            const alone = members.map((member) => combineScores([member], 'max', even).score);
            expect(one.score).toBeGreaterThanOrEqual(Math.min(...alone) - 1e-9);
            expect(one.score).toBeLessThanOrEqual(Math.max(...alone) + 1e-9);
          }
        },
      ),
    );
  });
});

describe('what an ensemble says besides its score', () => {
  const classified = (model: string, probabilities: Record<string, number>): Score => ({
    ...says(model, 1 - probabilities.normal!, 0.5),
    label: Object.keys(probabilities).reduce((a, b) => (probabilities[b]! > probabilities[a]! ? b : a)),
    probabilities,
  });

  it('the label of its only classification, wherever it stands, and whether or not it raised the score', () => {
    const loose = classified('looseness', { normal: 0.3, loose: 0.7 });
    for (const combine of COMBINATIONS) {
      const one = combineScores([says('a', 20), loose, says('b', 5)], combine, even);
      expect(one).toMatchObject({ label: 'loose', probabilities: { normal: 0.3, loose: 0.7 } });
      expect(one.saidBy).toBe('looseness');
      expect(one.members![1]).toMatchObject({ model: 'looseness', label: 'loose' });
      expect(one.members![0]).not.toHaveProperty('label');
    }
    expect(combineScores([says('a', 20)], 'max', even)).not.toHaveProperty('saidBy');
  });

  it('the mean of classifications with the same labels, by weight where they are weighted', () => {
    const two = [
      classified('a', { normal: 0.1, inner: 0.7, outer: 0.2 }),
      classified('b', { outer: 0.9, inner: 0.05, normal: 0.05 }),
    ];
    const mean = combineScores(two, 'mean', even);
    expect(mean).toMatchObject({ label: 'outer', saidBy: 'a, b' });
    expect(mean.probabilities!.outer).toBeCloseTo(0.55, 12);
    expect(Object.values(mean.probabilities!).reduce((sum, p) => sum + p)).toBeCloseTo(1, 12);
    const weighted = combineScores(two, 'weighted', (model) => (model === 'a' ? 0.9 : 0.1));
    expect(weighted.label).toBe('inner');
    expect(weighted.probabilities!.inner).toBeCloseTo(0.9 * 0.7 + 0.1 * 0.05, 12);
  });

  it('the most certain of classifications with other labels, and the forecast that was missed by most', () => {
    const one = combineScores(
      [
        classified('bearing', { normal: 0.4, inner: 0.6 }),
        classified('mounting', { normal: 0.1, loose: 0.9 }),
        { ...says('calm', 0.2, 1), expected: 5, lower: 4, upper: 6 },
        { ...says('missed', 3, 1), expected: 2, lower: 1, upper: 3 },
      ],
      'max',
      even,
    );
    expect(one).toMatchObject({ label: 'loose', expected: 2, lower: 1, upper: 3 });
    expect(one.saidBy).toBe('mounting, missed');
    expect(one.probabilities).toEqual({ normal: 0.1, loose: 0.9 });
  });

  it('the baseline that is worse still names who said it', () => {
    const loose = classified('looseness', { normal: 0.3, loose: 0.7 });
    const ensemble = combineScores([says('a', 12), loose], 'max', even);
    const worst = withWhatWasSaid(says('baseline', 50), [ensemble, says('baseline', 50)]);
    expect(worst).toMatchObject({ model: 'baseline', label: 'loose', saidBy: 'looseness' });
    expect(worst).not.toHaveProperty('members');
  });
});

describe('how often a model was right', () => {
  it('a few labels do not swing its weight; many do', () => {
    const precision = new ModelPrecision();
    expect(precision.weightOf('a')).toBe(0.5);
    precision.label(['a'], true);
    precision.label(['b'], false);
    expect(precision.weightOf('a')).toBeCloseTo(0.545, 2);
    expect(precision.weightOf('b')).toBeCloseTo(0.455, 2);
    for (let i = 0; i < 60; i++) {
      precision.label(['a'], true);
      precision.label(['b'], i % 5 === 0);
    }
    expect(precision.weightOf('a')).toBeGreaterThan(0.9);
    expect(precision.weightOf('b')).toBeLessThan(0.3);
    const weighted = combineScores([says('a', 20), says('b', 5)], 'weighted', precision.weightOf);
    expect(weighted.score).toBeGreaterThan(1.5);
    expect(weighted.members![0]!.weight).toBeGreaterThan(0.75);
  });

  it('is kept over a restart, and judged anew in the long run', () => {
    const before = new ModelPrecision();
    for (let i = 0; i < 30; i++) before.label(['a'], true);
    const after = new ModelPrecision();
    after.restore(JSON.parse(JSON.stringify(before.takeChanged())));
    expect(before.takeChanged()).toBeUndefined();
    expect(after.weightOf('a')).toBe(before.weightOf('a'));
    for (let i = 0; i < 400; i++) after.label(['a'], false);
    expect(after.weightOf('a')).toBeLessThan(0.1);
    after.restore('nothing of the kind');
    expect(after.weightOf('a')).toBeLessThan(0.1);
  });
});

import { describe, expect, it } from 'vitest';
import { describeDifferences } from '#sm/scoring/compatibility.js';
import { doubtsOf } from '#sm/scoring/manifest-doubts.js';
import { manifestOf } from './support.js';

const KNOWN = ['rms', 'kurtosis', 'crestFactor'];
const histogram = { edges: [0.5], counts: [1, 1] };

/** A model of scikit-learn as it is usually shipped: lower is more unusual, golden vectors from the healthy training data. */
const shipped = (changes: Record<string, unknown> = {}) =>
  manifestOf(new Uint8Array(4), {
    inputs: { kind: 'features', tensor: 'X', features: ['rms', 'kurtosis'] },
    output: { tensor: 'scores', meaning: 'decision_function', anomalous: 'below' },
    threshold: { value: -0.3, method: '0.1 % quantile' },
    training: {
      data: 'pump 1',
      terms: 'own',
      samples: 500,
      histograms: { rms: histogram, kurtosis: histogram },
    },
    golden: { vectors: Array.from({ length: 8 }, (_, i) => ({ input: [1, i], output: 0.1 })) },
    ...changes,
  });

describe('what holds in a manifest, and is most likely a slip', () => {
  it('is nothing in one as it should be, and in the bundled kind', () => {
    expect(doubtsOf(shipped(), KNOWN)).toEqual([]);
  });

  it('the wrong side of the threshold', () => {
    const output = { tensor: 'scores', meaning: 'decision_function', anomalous: 'above' };
    expect(doubtsOf(shipped({ output }), KNOWN)).toEqual([
      'all 8 golden vectors are anomalous by the threshold of -0.3: is output.anomalous ("above") the right side?',
    ]);
    expect(doubtsOf(shipped({ threshold: { value: 5, method: 'guessed' } }), KNOWN)).toHaveLength(1);
    // Some of them may well be: faults belong into golden vectors too.
    const vectors = Array.from({ length: 8 }, (_, i) => ({ input: [1, i], output: i < 7 ? -1 : 0.1 }));
    expect(doubtsOf(shipped({ golden: { vectors } }), KNOWN)).toEqual([]);
  });

  it('a feature that is spelled otherwise here; one of another world is none', () => {
    const named = (feature: string) =>
      doubtsOf(
        shipped({
          inputs: { kind: 'features', tensor: 'X', features: ['rms', feature] },
          training: {
            data: 'x',
            terms: 'x',
            samples: 9,
            histograms: { rms: histogram, [feature]: histogram },
          },
        }),
        KNOWN,
      );
    expect(named('crest_factor')).toEqual(['no point has a feature crest_factor: is crestFactor meant?']);
    expect(named('Kurtosis')).toEqual(['no point has a feature Kurtosis: is kurtosis meant?']);
    expect(named('crestFactor')).toEqual([]);
    expect(named('toolWearMin')).toEqual([]);
  });

  it('inputs of which drift cannot be told', () => {
    const training = { data: 'x', terms: 'x', samples: 9, histograms: { rms: histogram } };
    expect(doubtsOf(shipped({ training }), KNOWN)).toEqual([
      'training.histograms says nothing of kurtosis: no drift is told there',
    ]);
  });
});

it('a difference reads as a sentence', () => {
  const differences = [
    { field: 'unit', expected: 'g', actual: 'm/s2' },
    { field: 'features', expected: '2 features', actual: 'lacks rms' },
  ] as const;
  expect(describeDifferences(differences)).toBe(
    'unit: needs g, has m/s2; features: needs 2 features, lacks rms',
  );
});

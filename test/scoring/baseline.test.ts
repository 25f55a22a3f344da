import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { Baseline, FEATURE_BASELINE, READING_BASELINE, READING_FEATURE } from '#sm/scoring/baseline.js';
import { explainBaseline } from '#sm/scoring/explain.js';

const random = seededRandom(7);

/** Four features of a healthy machine: log-normal levels and a shape around 3. */
const healthy = (gain = 1) => ({
  rms: 0.1 * gain * Math.exp(0.1 * gaussian(random)),
  peak: 0.4 * gain * Math.exp(0.15 * gaussian(random)),
  kurtosis: 3 + 0.2 * gaussian(random),
  skewness: 0.05 * gaussian(random),
});

function learned(count = 300): Baseline {
  const baseline = new Baseline();
  for (let i = 0; i < count; i++) baseline.update(healthy());
  return baseline;
}

describe('a baseline of features', () => {
  it('keeps silent until it has its minimum count, and then speaks as the baseline', () => {
    const baseline = new Baseline({ ...FEATURE_BASELINE, minimumCount: 5 });
    for (let i = 0; i < 5; i++) expect(baseline.update(healthy())).toBeUndefined();
    expect(baseline.update(healthy())).toMatchObject({ model: 'baseline', anomalous: false });
  });

  it('calls at most a few of ten thousand healthy vectors anomalous, from the first ones on', () => {
    const baseline = new Baseline();
    let alarms = 0;
    for (let i = 0; i < 10_000; i++) if (baseline.update(healthy())?.anomalous) alarms++;
    expect(alarms).toBeLessThanOrEqual(2);
  });

  it('calls a machine three times as loud anomalous, and says by what', () => {
    const baseline = learned();
    const loud = healthy(3);
    expect(baseline.score(loud)?.anomalous).toBe(true);
    expect(explainBaseline(baseline, loud)[0]).toMatchObject({
      feature: 'rms',
      expected: expect.closeTo(0.1, 1),
    });
  });

  it('does not learn what is anomalous, however long it lasts', () => {
    const baseline = learned();
    for (let i = 0; i < 20_000; i++) baseline.update(healthy(3));
    expect(baseline.score(healthy(3))?.anomalous).toBe(true);
    expect(baseline.score(healthy())?.anomalous).toBe(false);
  });

  it('is not fooled by outliers among its first values', () => {
    const baseline = new Baseline();
    for (let i = 0; i < 60; i++) baseline.update(i % 10 === 3 ? healthy(20) : healthy());
    expect(baseline.score(healthy(20))?.anomalous).toBe(true);
  });

  it('follows what changes slowly', () => {
    const baseline = learned();
    for (let i = 0; i < 20_000; i++) baseline.update(healthy(1 + i / 20_000));
    expect(baseline.score(healthy(2))?.anomalous).toBe(false);
  });

  it('one odd feature alone is not yet an anomaly unless it is far off', () => {
    const baseline = learned();
    expect(baseline.score({ ...healthy(), kurtosis: 4.5 })?.anomalous).toBe(false);
    expect(baseline.score({ ...healthy(), kurtosis: 40 })?.anomalous).toBe(true);
  });

  it('goes on after a restart as if there had been none', () => {
    const before = learned(17);
    const after = Baseline.fromJSON(JSON.parse(JSON.stringify(before)));
    for (let i = 0; i < 100; i++) {
      const vector = healthy();
      expect(after.update(vector)).toEqual(before.update(vector));
    }
    expect(() => Baseline.fromJSON({ features: 1 })).toThrow(
      expect.objectContaining({ code: 'BASELINE_STATE' }),
    );
  });

  it('takes a level that crosses 0 dB for a level, and a skewness that changes sign for usual', () => {
    const vector = () => ({
      'mel.11': 1.5 + 0.5 * gaussian(random),
      skewness: 0.1 + 0.05 * gaussian(random),
    });
    const baseline = new Baseline();
    for (let i = 0; i < 30; i++) {
      const first = vector();
      baseline.update({ 'mel.11': Math.abs(first['mel.11']), skewness: Math.abs(first.skewness) });
    }
    expect(baseline.score({ ...vector(), 'mel.11': -0.1 })?.anomalous).toBe(false);
    expect(baseline.score({ ...vector(), skewness: -0.05 })?.anomalous).toBe(false);
    expect(baseline.score({ ...vector(), 'mel.11': 30 })?.anomalous).toBe(true);
  });

  it('does not go by a level that jumps with the band that was chosen', () => {
    const baseline = new Baseline();
    for (let i = 0; i < 60; i++) baseline.update({ ...healthy(), envelopeRms: 0.03 });
    expect(baseline.score({ ...healthy(), envelopeRms: 3 })?.anomalous).toBe(false);
  });

  it('leaves out what is not a number', () => {
    const baseline = learned();
    expect(baseline.update({ rms: Number.NaN })).toBeUndefined();
    expect(baseline.update({ ...healthy(), rms: Number.POSITIVE_INFINITY })?.anomalous).toBe(false);
  });
});

describe('a baseline of a temperature', () => {
  const reading = (value: number) => ({ [READING_FEATURE]: value });

  it('takes a quantised constant for usual, and ten degrees more for anomalous', () => {
    const baseline = new Baseline(READING_BASELINE);
    for (let i = 0; i < 200; i++) baseline.update(reading(61.5));
    expect(baseline.score(reading(61.6))?.anomalous).toBe(false);
    expect(baseline.score(reading(71.5))?.anomalous).toBe(true);
    expect(baseline.score(reading(51.5))?.anomalous).toBe(true);
  });

  it('works below zero', () => {
    const baseline = new Baseline(READING_BASELINE);
    for (let i = 0; i < 200; i++) baseline.update(reading(-18 + 0.2 * gaussian(random)));
    expect(baseline.score(reading(-18.3))?.anomalous).toBe(false);
    expect(baseline.score(reading(-10))?.anomalous).toBe(true);
  });
});

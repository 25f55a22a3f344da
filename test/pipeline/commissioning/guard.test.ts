import { describe, expect, it } from 'vitest';
import { compare } from '#sm/pipeline/commissioning/guard.js';
import { learnedModel } from '#sm/scoring/learning/learned-model.js';
import { commonFeatures } from '#sm/scoring/learning/scaler.js';
import { trainDetector } from '#sm/scoring/learning/train-detector.js';
import { featureRows, POINT } from '../../support/history.js';

const FROM = { name: 'pump', quantity: 'acceleration', data: 'synthetic', terms: 'synthetic' };
const rowsAt = (level: number, seed: number) =>
  featureRows(POINT, 0, 300, () => level, seed).map(({ features }) => features);
const heldOut = (level: number, seed: number) =>
  rowsAt(level, seed).map((features) => ({ features, state: 'running' }));
const learned = async (level: number, version: string) => {
  const rows = rowsAt(level, Number(version));
  const options = { falseAlarmProbability: 1e-3, seed: 1, kinds: ['robust', 'mahalanobis'] as const };
  const trained = await trainDetector(rows, commonFeatures(rows), options);
  return { rows, ...learnedModel(trained, rows, { ...FROM, version }) };
};

describe('a new model beside the one in use', () => {
  it('takes over where the machine has moved, and not where it was learned elsewhere', async () => {
    const old = await learned(1, '1');
    const moved = await learned(1.5, '2');
    // The machine runs at 1.5 now: the old one calls it anomalous all the time.
    const after = await compare(old, moved, moved.rows, heldOut(1.5, 9));
    expect(after).toMatchObject({ rows: 300, taken: true });
    expect(after.falseAlarms.before).toBeGreaterThan(0.5);
    expect(after.falseAlarms.after).toBeLessThan(0.02);
    // It runs as ever: what was learned at another level has more false alarms.
    expect(await compare(old, moved, moved.rows, heldOut(1, 10))).toMatchObject({ taken: false });
    expect((await compare(old, old, old.rows, heldOut(1, 11))).taken).toBe(true);
  });

  it('wins a state that the old one knows nothing of, and loses no other for it', async () => {
    const options = { falseAlarmProbability: 1e-3, seed: 1, kinds: ['mahalanobis'] as const };
    const trained = async (parts: Readonly<Record<string, readonly [number, number]>>, version: string) => {
      const rows = Object.values(parts).flatMap(([level, seed]) => rowsAt(level, seed));
      const states = Object.keys(parts).flatMap((state) => rowsAt(1, 1).map(() => state));
      const detector = await trainDetector(rows, commonFeatures(rows), { ...options, states });
      return { rows, ...learnedModel(detector, rows, { ...FROM, version }, states) };
    };
    const old = await trained({ low: [1, 1] }, '1');
    const both = await trained({ low: [1, 2], high: [4, 3] }, '2');
    expect(Object.keys(both.manifest.training.states!)).toEqual(['low', 'high']);
    const later = [
      ...heldOut(1, 9).map((row) => ({ ...row, state: 'low' })),
      ...heldOut(4, 10).map((row) => ({ ...row, state: 'high' })),
    ];
    const after = await compare(old, both, both.rows, later);
    expect(after).toMatchObject({ rows: 600, taken: true });
    // The old one finds nothing at high, where it was never learned.
    expect(after.detected.after).toBeGreaterThan(1.5 * after.detected.before);
  });
});

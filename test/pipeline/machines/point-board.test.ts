import { describe, expect, it } from 'vitest';
import { PointBoard } from '#sm/pipeline/machines/point-board.js';
import type { Score } from '#sm/scoring/score.js';
import type { Reading } from '#sm/signals/reading.js';

const reading = (point: string, timeMs: number, value: number, rest: Partial<Reading> = {}): Reading => ({
  point,
  timeMs,
  value,
  unit: 'degC',
  quality: 'good',
  ...rest,
});

const score = (value: number, threshold = 6): Score => ({
  model: 'baseline',
  version: '1',
  score: value,
  threshold,
  anomalous: value > threshold,
});

const classOf = (machine: string) => (machine === 'pump-1' ? 'pump' : 'machine');

describe('the board of points', () => {
  it('shows the newest reading of each point, by machine and by name', () => {
    const board = new PointBoard();
    board.reading(reading('pump-1.de.temperature', 2, 41));
    board.reading(reading('pump-1.de.temperature', 1, 99));
    board.reading(reading('pump-1.casing.temperature', 1, 30));
    board.reading(reading('fan-1.temperature', 5, 20));
    const machines = board.machines(classOf);
    expect(machines.map(({ id, class: of }) => [id, of])).toEqual([
      ['fan-1', 'machine'],
      ['pump-1', 'pump'],
    ]);
    expect(machines[1]!.points).toMatchObject([
      { point: 'pump-1.casing.temperature', value: 30 },
      { point: 'pump-1.de.temperature', value: 41, unit: 'degC', timeMs: 2 },
    ]);
  });

  it('shows no value where the newest is bad', () => {
    const board = new PointBoard();
    board.reading(reading('m.t', 1, 41));
    board.reading(reading('m.t', 2, -3276.8, { quality: 'bad' }));
    expect(board.machines(classOf)[0]!.points[0]).toMatchObject({ value: undefined, timeMs: 2 });
    board.reading(reading('m.t', 3, 42, { quality: 'uncertain' }));
    expect(board.machines(classOf)[0]!.points[0]!.value).toBe(42);
  });

  it('shows what a classification or a forecast said last, and no longer than it holds', () => {
    const board = new PointBoard();
    const probabilities = { normal: 0.2, inner: 0.8 };
    board.assessed('m.t', 1, { scores: [], worst: { ...score(0.8, 0.5), label: 'inner', probabilities } });
    expect(board.point('m.t')).toMatchObject({ score: 0.8, label: 'inner', probabilities });
    board.assessed('m.t', 2, { scores: [], worst: { ...score(1), expected: 3, lower: 2, upper: 4 } });
    expect(board.point('m.t')).toMatchObject({ expected: 3, lower: 2, upper: 4 });
    expect(board.point('m.t')!.label).toBeUndefined();
    board.assessed('m.t', 3, { scores: [], worst: undefined, unjudged: 'not judged: stopped' });
    expect(board.point('m.t')!.expected).toBeUndefined();
  });

  it('shows the level of a waveform, its score and its verdict', () => {
    const board = new PointBoard();
    board.features('m.de.acceleration', 7, { rms: 0.13, peak: 1 }, 'g');
    board.assessed('m.de.acceleration', 7, { scores: [], worst: score(9) });
    board.diagnosis('m.de.acceleration', { fault: 'outer', confidence: 0.8, evidence: [], sentence: '' });
    expect(board.machines(classOf)[0]!.points[0]).toMatchObject({
      point: 'm.de.acceleration',
      unit: 'g rms',
      value: 0.13,
      timeMs: 7,
      score: 9,
      threshold: 6,
      diagnosis: 'outer',
    });
    board.diagnosis('m.de.acceleration', undefined);
    expect(board.machines(classOf)[0]!.points[0]!.diagnosis).toBeUndefined();
  });

  it('calls a machine as healthy as its worst point, and does not judge one without scores', () => {
    const board = new PointBoard();
    board.reading(reading('a.t', 1, 20));
    expect(board.machines(classOf)[0]!.health).toBeUndefined();
    board.assessed('a.t', 1, { scores: [], worst: score(0) });
    expect(board.machines(classOf)[0]!.health).toBe(1);
    board.assessed('a.de.acceleration', 1, { scores: [], worst: score(6) });
    expect(board.machines(classOf)[0]!.health).toBe(0.5);
    board.assessed('a.nde.acceleration', 1, { scores: [], worst: score(12) });
    expect(board.machines(classOf)[0]!.health).toBeCloseTo(0.2, 12);
  });

  it('holds no more than 10,000 points, and goes on with those', () => {
    const board = new PointBoard();
    for (let n = 0; n < 10_050; n++) board.reading(reading(`m-${n}.t`, 1, n));
    board.assessed('m-10049.t', 1, { scores: [], worst: score(9) });
    board.reading(reading('m-0.t', 2, 77));
    const machines = board.machines(classOf);
    expect(machines).toHaveLength(10_000);
    expect(machines.find(({ id }) => id === 'm-0')!.points[0]!.value).toBe(77);
  });
});

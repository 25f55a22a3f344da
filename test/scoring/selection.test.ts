import { describe, expect, it } from 'vitest';
import { compatibility } from '#sm/scoring/compatibility.js';
import { catalogueOf, modelsConfigSchema, selectModel, selectModels } from '#sm/scoring/selection.js';
import { linearModel, manifestOf, storedModel } from './support.js';

const model = (name: string, version = '1', changes = {}) =>
  storedModel('/nowhere', manifestOf(linearModel(), { name, version, ...changes }));

const target = {
  point: 'pump-1.bearing-de.acceleration',
  machineClass: 'pump',
  quantity: 'acceleration',
  unit: 'g',
  sampleRateHz: 25_600,
  blockSamples: 32_768,
  features: ['a', 'b', 'c'],
};

const catalogue = catalogueOf([
  model('pump-vibration', '1'),
  model('pump-vibration', '2'),
  model('special'),
  model('vibration-anomaly'),
]);
const chosen = (config: unknown, of = target) =>
  selectModel(of, modelsConfigSchema.parse(config), catalogue).model?.key;

describe('the model of a point', () => {
  it('is the bundled one by default', () => {
    expect(modelsConfigSchema.parse(undefined).default).toBe('builtin');
    expect(chosen({})).toBe('vibration-anomaly/1');
  });

  it('is that of the first rule that matches, in its newest version', () => {
    const rules = [
      { model: 'special', for: { class: 'fan' } },
      { model: 'pump-vibration', for: { class: 'pump', quantity: 'acceleration' } },
      { model: 'special', for: {} },
    ];
    expect(chosen({ rules })).toBe('pump-vibration/2');
    expect(chosen({ rules }, { ...target, machineClass: 'fan' })).toBe('special/1');
    expect(chosen({ rules: [{ model: 'special', for: { point: 'pump-*.acceleration' } }] })).toBe(
      'special/1',
    );
    expect(chosen({ rules: [{ model: 'special', for: { point: 'pump-1.bearing-nde.*' } }] })).toBe(
      'vibration-anomaly/1',
    );
  });

  it('may go by the kind of the sensor and by tags, of which all have to be there', () => {
    const of = (scope: object, changes: object = {}) =>
      chosen({ rules: [{ model: 'special', for: scope }] }, { ...target, ...changes });
    const tagged = { sensor: 'piezo', tags: ['critical', 'line-2'] };
    expect(of({ sensor: 'piezo' }, tagged)).toBe('special/1');
    expect(of({ sensor: 'mems' }, tagged)).toBe('vibration-anomaly/1');
    expect(of({ tags: ['line-2', 'critical'] }, tagged)).toBe('special/1');
    expect(of({ tags: ['line-2', 'spare'] }, tagged)).toBe('vibration-anomaly/1');
    expect(of({ tags: ['critical'], class: 'pump' })).toBe('vibration-anomaly/1');
  });

  it('may be several, by rule, point or default, each refused by itself', () => {
    const members = (config: unknown) => {
      const { members: found, combine } = selectModels(target, modelsConfigSchema.parse(config), catalogue);
      return [combine, ...found.map(({ model: of, reason }) => of?.key ?? reason)];
    };
    expect(members({ default: ['builtin', 'special'] })).toEqual(['max', 'vibration-anomaly/1', 'special/1']);
    const rule = { model: ['special', 'gone'], combine: 'vote', for: { class: 'pump' } };
    expect(members({ rules: [rule] })).toEqual([
      'vote',
      'special/1',
      'the model gone is not here (rule class pump)',
    ]);
    expect(members({ points: { [target.point]: ['special'] }, combine: 'mean' })).toEqual([
      'mean',
      'special/1',
    ]);
    expect(modelsConfigSchema.safeParse({ default: [] }).success).toBe(false);
  });

  it('is the one named for it before any rule, in the version named', () => {
    const rules = [{ model: 'special', for: {} }];
    expect(chosen({ rules, points: { [target.point]: 'pump-vibration/1' } })).toBe('pump-vibration/1');
    expect(chosen({ rules, points: { [target.point]: 'none' } })).toBeUndefined();
  });

  it('is the version in use where one is pinned', () => {
    const pinned = catalogueOf(
      [model('pump-vibration', '1'), model('pump-vibration', '2')],
      new Map([['pump-vibration', '1']]),
    );
    const config = modelsConfigSchema.parse({ default: 'pump-vibration' });
    expect(selectModel(target, config, pinned).model?.key).toBe('pump-vibration/1');
  });

  it('is none where it does not fit, with every difference; no other takes its place', () => {
    const choice = selectModel(
      { ...target, unit: 'm/s2', sampleRateHz: 2560, features: ['a'] },
      modelsConfigSchema.parse({ default: 'special' }),
      catalogue,
    );
    expect(choice).toMatchObject({
      model: undefined,
      differences: [
        { field: 'unit', expected: 'g', actual: 'm/s2' },
        { field: 'sampleRateHz', expected: '10000 to 51200 Hz', actual: '2560 Hz' },
        { field: 'features', actual: 'lacks b' },
      ],
    });
    expect(choice.reason).toContain('special/1 does not fit (default special): unit: needs g, has m/s2');
  });

  it('is none where it is not here', () => {
    const choice = selectModel(target, modelsConfigSchema.parse({ default: 'absent' }), catalogue);
    expect(choice).toEqual({ model: undefined, reason: 'the model absent is not here (default absent)' });
  });
});

it('a window too short, and a task that is no anomaly score, are differences too', () => {
  const { manifest } = model('x', '1', {
    task: 'forecast',
    signal: { quantities: ['acceleration'], window: { minSamples: 65_536, minDurationS: 2 } },
  });
  expect(compatibility(manifest, target).map(({ field, actual }) => `${field} ${actual}`)).toEqual([
    'task forecast',
    'window 32768 samples',
    'window 1.28 s',
  ]);
});

import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { DEFAULT_RULE } from '#sm/sources/intake/config.js';
import { Judge } from '#sm/sources/intake/judge.js';

const NOW = Date.UTC(2026, 5, 1);
const random = seededRandom(1);
const noise = (length: number) => Float32Array.from({ length }, () => gaussian(random));

const reading = (value: number, timeMs = NOW, point = 'm.temperature') =>
  ({ point, timeMs, value, unit: 'degC', quality: 'good' }) as const;
const at = (seconds: number, unsynchronised = false) => ({
  nowMs: NOW + seconds * 1000,
  monotonicMs: seconds * 1000,
  unsynchronised,
});

/** Feeds blocks of a tenth of a second as declared that arrive every `everyMs`; gives what the last became. */
function feed(judge: Judge, everyMs: number, seconds: number, sequences = true) {
  let last = { quality: '', reason: undefined as string | undefined };
  for (let i = 0; i * everyMs < seconds * 1000; i++) {
    const arrivedMs = i * everyMs;
    last = judge.block(
      {
        point: 'm.p.acceleration',
        startTimeMs: sequences ? NOW - 3_600_000 + i * 100 : NOW + arrivedMs,
        sampleRateHz: 1000,
        unit: 'g',
        samples: noise(100),
        ...(sequences ? { sequence: i } : {}),
        quality: 'good',
      },
      { nowMs: NOW + arrivedMs, monotonicMs: arrivedMs, unsynchronised: false },
    ) as typeof last;
  }
  return last;
}

describe('the judge of a source', () => {
  it('measures the sample rate, and believes what is declared within the tolerance', () => {
    expect(feed(new Judge([], true), 100, 40).quality).toBe('good');
    expect(feed(new Judge([], true), 103, 40).quality).toBe('good');
    expect(feed(new Judge([], true), 112, 40)).toMatchObject({ quality: 'uncertain', reason: 'sample-rate' });
    expect(feed(new Judge([], true), 90, 40)).toMatchObject({ quality: 'uncertain', reason: 'sample-rate' });
    expect(feed(new Judge([], false), 50, 40).quality).toBe('good');
    const judge = new Judge([{ ...DEFAULT_RULE, points: ['m.*'], sampleRateTolerance: 2 }], true);
    expect(feed(judge, 103, 40)).toMatchObject({ reason: 'sample-rate' });
    expect(judge.troubles(40_000)[0]).toMatchObject({
      point: 'm.p.acceleration',
      text: expect.stringMatching(/1000 Hz are declared, 97\d(\.\d)? Hz/),
    });
  });

  it('takes a backlog and blocks behind a trigger for no wrong rate', () => {
    expect(feed(new Judge([], true), 5, 5).quality).toBe('good');
    expect(feed(new Judge([], true), 2_000, 300, false).quality).toBe('good');
  });

  it('finds a reading that is stuck where that is asked for', () => {
    const judge = new Judge([{ ...DEFAULT_RULE, points: ['m.*'], constant: 60_000 }], true);
    for (let second = 0; second < 59; second++) {
      expect(judge.reading(reading(20), at(second)).quality).toBe('good');
    }
    expect(judge.reading(reading(20), at(60))).toMatchObject({ quality: 'bad', reason: 'constant' });
    expect(judge.reading(reading(20), at(64)).quality).toBe('bad');
    expect(judge.troubles(64_000)).toMatchObject([{ point: 'm.temperature', reason: 'constant' }]);
    expect(judge.reading(reading(20.1), at(65)).quality).toBe('good');
    expect(judge.reading(reading(20.1), at(76)).quality).toBe('good');
    expect(judge.troubles(76_000)).toEqual([]);
    expect(new Judge([], true).reading(reading(20), at(1e6)).quality).toBe('good');
  });

  it('flags time that is doubtful, and keeps the value', () => {
    const judge = new Judge([], true);
    const doubtful = { quality: 'uncertain', reason: 'clock-unsynchronised', value: 20 };
    expect(judge.reading(reading(20), at(0, true))).toMatchObject(doubtful);
    expect(judge.reading(reading(20, NOW + 3_600_000), at(0))).toMatchObject(doubtful);
    expect(judge.reading(reading(20, 5_000), at(0))).toMatchObject(doubtful);
    expect(judge.reading(reading(20, NOW - 3_600_000), at(0)).quality).toBe('good');
  });

  it('leaves what the driver called bad as it is', () => {
    const bad = { ...reading(Number.NaN), quality: 'bad', reason: 'sentinel' } as const;
    expect(new Judge([], true).reading(bad, at(0, true))).toBe(bad);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlarmEngine } from '#sm/alarms/engine.js';
import { Habit, strengthOf } from '#sm/alarms/habit.js';
import { type ValidationFacts, validate } from '#sm/alarms/validation.js';
import { AnomalyValidator, type HeldBack, type JudgedBlock } from '#sm/alarms/validator.js';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { startOffline } from '#sm/pipeline/recordings/offline.js';
import { type ReplayLine, replay } from '#sm/pipeline/recordings/replay.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { realRecordings } from '../support/data.js';

const POINT = 'pump-1.de.acceleration';
const THRESHOLD = 6;

const block = (timeMs: number, exceedance: number, point = POINT, agreeing = 1): JudgedBlock => ({
  point,
  timeMs,
  score: exceedance * THRESHOLD,
  threshold: THRESHOLD,
  exceedance,
  anomalous: exceedance > 1,
  models: { scored: 1, anomalous: exceedance > 1 ? agreeing : 0 },
});

/** Judges one block a second; gives the verdicts of the anomalous ones. */
function judge(validator: AnomalyValidator, exceedances: readonly number[], fromS = 0, point = POINT) {
  return exceedances.flatMap((exceedance, s) => {
    const verdict = validator.judge(block((fromS + s) * 1000, exceedance, point));
    return verdict === undefined ? [] : [verdict];
  });
}

const quiet = (blocks: number): number[] => new Array(blocks).fill(0.3);
const odd = (blocks: number, exceedance = 2): number[] => new Array(blocks).fill(exceedance);

/** A point that has been quiet for a long time. */
function known(options: ConstructorParameters<typeof AnomalyValidator>[0] = {}): AnomalyValidator {
  const validator = new AnomalyValidator(options);
  judge(validator, quiet(1000), -1000);
  return validator;
}

const confirmedAt = (validator: AnomalyValidator, blocks: number): number =>
  judge(validator, odd(blocks)).findIndex(({ confirmed }) => confirmed);

describe('an anomaly of a point that was quiet', () => {
  it('is believed at its second block, once', () => {
    const verdicts = judge(known(), odd(6));
    expect(verdicts.map(({ confirmed }) => confirmed)).toEqual([false, true, true, true, true, true]);
    expect(verdicts.filter(({ first }) => first)).toHaveLength(1);
    expect(verdicts[1]!.reasons[0]!.text).toBe('2 blocks were anomalous');
    const confidences = verdicts.map(({ confidence }) => confidence);
    expect(confidences).toEqual([...confidences].sort((a, b) => a - b));
  });

  it('is held back where it is one block, and can be listed', () => {
    const told: HeldBack[] = [];
    const validator = known({ onHeldBack: (held) => told.push(held) });
    judge(validator, [...odd(1), ...quiet(2)]);
    expect(validator.held(10)).toMatchObject([{ point: POINT, blocks: 1 }]);
    expect(told).toEqual([]);
    judge(validator, quiet(3), 3);
    expect(told).toMatchObject([{ point: POINT, fromMs: 0, toMs: 0, blocks: 1, score: 12, threshold: 6 }]);
    expect(validator.held(10)).toEqual(told);
    expect(told[0]!.confidence).toBeLessThan(0.5);
    expect(told[0]!.reasons[0]!.text).toBe('one block was anomalous');
  });

  it.each<[string, (validator: AnomalyValidator) => void]>([
    ['its data are doubtful', (validator) => repeat(5, () => validator.quality(POINT, 'bad'))],
    ['people called its alarms wrong', (validator) => repeat(3, () => validator.label(POINT, false))],
    [
      'all of it together',
      (validator) =>
        repeat(20, () => {
          validator.quality(POINT, 'uncertain');
          validator.label(POINT, false);
        }),
    ],
  ])('waits for one block more, no longer, where %s', (_why, prepare) => {
    const validator = known({ inMaintenance: () => _why.startsWith('all') });
    prepare(validator);
    expect(confirmedAt(validator, 6)).toBe(2);
  });

  it('waits while somebody works on the machine', () => {
    expect(confirmedAt(known({ inMaintenance: (machine) => machine === 'pump-1' }), 6)).toBe(2);
    expect(confirmedAt(known({ inMaintenance: (machine) => machine === 'fan-1' }), 6)).toBe(1);
  });

  it('is believed more where neighbours are unusual too, less where a model disagrees', () => {
    const alone = judge(known(), odd(1))[0]!;
    const validator = known();
    judge(validator, [...quiet(1000), ...odd(1)], -1000, 'pump-1.nde.acceleration');
    const together = judge(validator, odd(1))[0]!;
    expect(together.confidence).toBeGreaterThan(alone.confidence);
    expect(together.reasons.map(({ rule }) => rule)).toContain('neighbours');
    const contradicted = known().judge({ ...block(0, 2), models: { scored: 2, anomalous: 1 } })!;
    expect(contradicted.confidence).toBeLessThan(alone.confidence);
    const agreed = known().judge({ ...block(0, 2), models: { scored: 2, anomalous: 2 } })!;
    expect(agreed.confidence).toBeGreaterThan(alone.confidence);
  });
});

describe('the history of a point', () => {
  /** Odd for two blocks in ten, all the time. */
  const flicker = (times: number) => Array.from({ length: times }, () => [...odd(2), ...quiet(8)]).flat();

  it('lets it be anomalous as often as it always was, not more strongly and not for long', () => {
    const validator = new AnomalyValidator();
    judge(validator, flicker(100), -2000);
    const usual = judge(validator, flicker(50));
    expect(usual.filter(({ confirmed }) => confirmed)).toEqual([]);
    expect(usual[0]!.reasons.map(({ rule }) => rule)).toContain('history');
    expect(judge(validator, [...odd(3, 5)], 1000)[1]!.confirmed).toBe(true);
    const again = new AnomalyValidator();
    judge(again, flicker(100), -2000);
    expect(judge(again, odd(60)).at(-1)!.confirmed).toBe(true);
  });

  it('is not believed at once where nothing is known of the point', () => {
    const found = judge(new AnomalyValidator(), odd(60)).findIndex(({ confirmed }) => confirmed);
    expect(found).toBeGreaterThan(5);
    expect(found).toBeLessThan(30);
  });

  it('learns from a label what was nothing, and forgets what was right', () => {
    const share = (label?: boolean) => {
      const validator = known();
      judge(validator, [...odd(20), ...quiet(10)]);
      if (label !== undefined) validator.label(POINT, label);
      const [, document] = validator.takeChanged().find(([point]) => point === POINT)!;
      const habit = new Habit();
      habit.restore((document as { habit: { blocks: number; counts: number[] } }).habit);
      return habit.shareOf(strengthOf(2));
    };
    expect(share(false)).toBeGreaterThan(share());
    expect(share(true)).toBeLessThan(share());
  });

  it('survives a restart', () => {
    const before = new AnomalyValidator();
    judge(before, flicker(100), -2000);
    const [[point, document]] = before.takeChanged() as [[string, unknown]];
    expect(before.takeChanged()).toEqual([]);
    const after = new AnomalyValidator();
    after.restorePoint(point, JSON.parse(JSON.stringify(document)));
    expect(judge(after, flicker(20)).filter(({ confirmed }) => confirmed)).toEqual([]);
    after.restorePoint('other.point.rms', { habit: 'none' });
    expect(after.held(1)).toHaveLength(1);
  });
});

describe('for any facts', () => {
  const facts: fc.Arbitrary<ValidationFacts> = fc.record({
    blocks: fc.integer({ min: 1, max: 100 }),
    evidence: fc.double({ min: 0, max: 12, noNaN: true }),
    habit: fc.double({ min: 0.02, max: 0.7, noNaN: true }),
    isNew: fc.boolean(),
    neighbours: fc.record({ anomalous: fc.nat(10), watched: fc.nat(10) }),
    models: fc.record({ anomalous: fc.nat(3), scored: fc.nat(3) }),
    notGood: fc.double({ min: 0, max: 1, noNaN: true }),
    labels: fc.record({ right: fc.nat(5), wrong: fc.nat(5) }),
    maintenance: fc.boolean(),
  });

  it('the confidence is a probability, grows with the evidence, and is what the reasons say', () => {
    fc.assert(
      fc.property(facts, fc.double({ min: 0, max: 5, noNaN: true }), (given, more) => {
        const { confidence, confirmed, reasons } = validate(given);
        expect(confidence).toBeGreaterThanOrEqual(0);
        expect(confidence).toBeLessThanOrEqual(1);
        expect(confirmed).toBe(confidence >= 0.7);
        const logOdds = reasons.reduce((sum, { weight }) => sum + weight, -5);
        expect(confidence).toBeCloseTo(1 / (1 + Math.exp(-logOdds)), 9);
        expect(validate({ ...given, evidence: given.evidence + more }).confidence).toBeGreaterThanOrEqual(
          confidence,
        );
      }),
    );
  });

  it('three blocks in a row of a quiet point are always believed', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const evidence = 3 * Math.log(0.7 / 0.02);
        expect(validate({ ...given, blocks: 3, evidence, habit: 0.02 }).confirmed).toBe(true);
      }),
    );
  });

  it('a validator takes any blocks, and is bounded', () => {
    const blocks = fc.array(
      fc.record({
        step: fc.integer({ min: -5, max: 5 }),
        exceedance: fc.double({ min: -10, max: 60, noNaN: true }),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(blocks, (given) => {
        const validator = new AnomalyValidator();
        let timeMs = 0;
        for (const { step, exceedance } of given) {
          timeMs += step * 1000;
          const verdict = validator.judge(block(timeMs, exceedance));
          expect(verdict === undefined).toBe(exceedance <= 1);
        }
        expect(validator.held(1000).length).toBeLessThanOrEqual(501);
      }),
    );
  });
});

describe('what it takes away and what it costs', () => {
  it('of a stream with spikes, flicker and faults: most false anomalies, and two blocks at most', () => {
    const random = seededRandom(7);
    let [wrong, wrongBelieved] = [0, 0];
    const delays: number[] = [];
    for (let point = 0; point < 40; point++) {
      const validator = new AnomalyValidator();
      const spikes = 0.002 + 0.02 * random();
      let wasOdd = false;
      for (let s = 0; s < 3000; s++) {
        const isOdd: boolean = s < 2000 ? random() < (wasOdd ? 0.3 : spikes) : random() < 0.9;
        const verdict = validator.judge(block(s * 1000, isOdd ? 1.5 + 3 * random() : 0.4));
        if (s < 2000 && isOdd && !wasOdd) wrong++;
        if (s < 2000 && verdict?.first) wrongBelieved++;
        if (s >= 2000 && verdict?.confirmed) {
          delays.push(s - 2000);
          break;
        }
        wasOdd = isOdd;
      }
    }
    expect(wrong).toBeGreaterThan(500);
    expect(wrongBelieved / wrong).toBeLessThan(0.5);
    expect(delays).toHaveLength(40);
    delays.sort((a, b) => a - b);
    expect(delays[20]).toBeLessThanOrEqual(2);
  });

  const skab = realRecordings('skab');
  it.skipIf(skab === undefined)(
    'of recorded data: at least half of the false alarms, none of the true ones',
    async () => {
      const { manifest, ...set } = await openRecordingSet(skab!);
      const few = ['valve1/1.csv', 'valve1/9.csv', 'valve1/13.csv', 'valve2/0.csv'];
      const tables = manifest.tables.filter(({ file }) => few.includes(file));
      const faulty = new Set<string>();
      for (const table of tables)
        for await (const row of set.readTable(table))
          if (row.anomalous) faulty.add(`${table.file} ${new Date(row.timeMs).toISOString()}`);
      const alarmsWith = async (validation: boolean) => {
        const offline = await startOffline({ clock: systemClock, metrics: new Metrics(), config: undefined });
        const raised = { right: new Set<string>(), wrong: 0 };
        const lines = replay({
          set: { ...set, manifest: { ...manifest, tables } },
          ...offline,
          alarms: new AlarmEngine([]),
          configured: false,
          validation,
        });
        for await (const line of lines as AsyncIterable<ReplayLine>) {
          if (line.kind !== 'alarm' || line.to !== 'unacknowledged') continue;
          if (faulty.has(`${line.recording} ${line.time}`)) raised.right.add(line.recording);
          else raised.wrong++;
        }
        await offline.close();
        return raised;
      };
      const [without, validated] = [await alarmsWith(false), await alarmsWith(true)];
      expect(without.wrong).toBeGreaterThan(2);
      expect(validated.wrong).toBeLessThanOrEqual(without.wrong / 2);
      expect(validated.right.size).toBe(without.right.size);
    },
  );
});

function repeat(times: number, work: () => void): void {
  for (let i = 0; i < times; i++) work();
}

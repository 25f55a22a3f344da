import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AlarmConfig, alarmConfigSchema } from '#sm/alarms/config.js';
import { AlarmEngine, type AlarmRecord, type AlarmTransition } from '#sm/alarms/engine.js';
import type { AlarmInput } from '#sm/alarms/transition.js';

/*
 * A model of the store: what a commit writes (the records of the alarms that changed), and a gateway that is started
 * anew from it at any step. The one that never stopped is the reference.
 */

const TEMPERATURE = 'pump-1.de.temperature';
const PRESSURE = 'pump-1.outlet.pressure';
const SPEED = 'pump-1.shaft.speed';

const configs = (delays: object): AlarmConfig[] =>
  [
    { id: 'hot', point: TEMPERATURE, above: 80, deadband: 5, priority: 'high', ...delays },
    { id: 'latched', point: TEMPERATURE, above: 90, latching: true, ...delays },
    { id: 'band', point: PRESSURE, outside: [2, 8], countsWhile: { point: SPEED, above: 100 }, ...delays },
    { id: 'odd', point: TEMPERATURE, anomaly: true, ...delays },
  ].map((config) => alarmConfigSchema.parse(config));

type Step = { readonly gapMs: number; readonly alarm: string } & (
  | { readonly kind: 'value'; readonly point: string; readonly value: number }
  | { readonly kind: 'score'; readonly score: number; readonly heldBack: boolean }
  | { readonly kind: 'operate'; readonly action: string }
  | { readonly kind: 'tick' }
);

const ACTIONS = [
  'acknowledge',
  'reset',
  'shelve',
  'unshelve',
  'suppress',
  'unsuppress',
  'remove-from-service',
  'return-to-service',
];

const gapMs = fc.integer({ min: 0, max: 5_000 });
const alarm = fc.constantFrom('hot', 'latched', 'band', 'odd');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('value' as const),
    gapMs,
    alarm,
    point: fc.constantFrom(TEMPERATURE, PRESSURE, SPEED),
    value: fc.constantFrom(0, 5, 50, 78, 85, 95, 500),
  }),
  fc.record({
    kind: fc.constant('score' as const),
    gapMs,
    alarm,
    score: fc.constantFrom(1, 5),
    heldBack: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('operate' as const), gapMs, alarm, action: fc.constantFrom(...ACTIONS) }),
  fc.record({ kind: fc.constant('tick' as const), gapMs, alarm }),
);

function apply(engine: AlarmEngine, given: Step, timeMs: number): readonly AlarmTransition[] {
  switch (given.kind) {
    case 'value':
      return engine.evaluateReading({
        point: given.point,
        timeMs,
        value: given.value,
        unit: '',
        quality: 'good',
      });
    case 'score':
      return engine.evaluateScore({
        point: TEMPERATURE,
        timeMs,
        score: given.score,
        threshold: 2,
        anomalous: given.score > 2,
        heldBack: given.heldBack,
      });
    case 'operate': {
      const point = given.alarm === 'band' ? PRESSURE : TEMPERATURE;
      const input = { kind: given.action, timeMs, untilMs: timeMs + 8_000, suppressor: 'request' };
      return engine.operate(given.alarm, point, input as AlarmInput, { by: 'kim' });
    }
    case 'tick':
      return engine.tick(timeMs);
  }
}

/** What a commit writes after a step. */
function save(
  stored: Map<string, unknown>,
  engine: AlarmEngine,
  transitions: readonly AlarmTransition[],
): void {
  const changed = transitions.map(({ alarm, point }) => engine.stateOf(alarm, point)!);
  for (const record of [...changed, ...engine.takeUnsaved()])
    stored.set(`${record.alarm}@${record.point}`, JSON.parse(JSON.stringify(record)));
}

function startFrom(stored: ReadonlyMap<string, unknown>, definitions: readonly AlarmConfig[]): AlarmEngine {
  const engine = new AlarmEngine(definitions);
  engine.restore([...stored.values()]);
  // Points are watched once they sent something; a bad value tells nothing else.
  for (const point of [TEMPERATURE, PRESSURE, SPEED])
    engine.evaluateReading({ point, timeMs: 0, value: Number.NaN, unit: '', quality: 'bad' });
  return engine;
}

/** Without the delay that is running: it begins anew after a restart. */
const settled = (engine: AlarmEngine) =>
  engine
    .all()
    .filter(({ state, active }) => state !== 'normal' || active)
    .map(({ pendingSinceMs: _pending, ...record }): Partial<AlarmRecord> => record)
    .sort((a, b) => `${a.alarm}`.localeCompare(`${b.alarm}`));

describe('a gateway that is started anew at every step', () => {
  it('does what one does that never stopped', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (given) => {
        const definitions = configs({});
        const reference = startFrom(new Map(), definitions);
        const stored = new Map<string, unknown>();
        let timeMs = 0;
        for (const one of given) {
          timeMs += one.gapMs;
          const expected = apply(reference, one, timeMs);
          const engine = startFrom(stored, definitions);
          const found = apply(engine, one, timeMs);
          expect(found).toEqual(expected);
          save(stored, engine, found);
        }
        expect(settled(startFrom(stored, definitions))).toEqual(settled(reference));
      }),
      { numRuns: 200 },
    );
  });

  it('knows every state, with delays too: only a delay that was running begins anew', () => {
    const delays = { onDelay: '3s', offDelay: '2s' };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (given) => {
        const definitions = configs(delays);
        const engine = startFrom(new Map(), definitions);
        const stored = new Map<string, unknown>();
        let timeMs = 0;
        for (const one of given) {
          timeMs += one.gapMs;
          save(stored, engine, apply(engine, one, timeMs));
          expect(settled(startFrom(stored, definitions))).toEqual(settled(engine));
        }
      }),
      { numRuns: 200 },
    );
  });
});

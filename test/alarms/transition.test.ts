import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ALARM_STATES,
  type AlarmInput,
  type AlarmRules,
  type AlarmState,
  type AlarmStateName,
  isSilent,
  transition,
} from '#sm/alarms/transition.js';

const NOW = 100_000;
const LATER = NOW + 60_000;
const AT_ONCE: AlarmRules = { onDelayMs: 0, offDelayMs: 0 };
const LATCHING: AlarmRules = { ...AT_ONCE, latching: true };

const present = (timeMs: number): AlarmInput => ({ kind: 'condition', present: true, timeMs });
const gone = (timeMs: number): AlarmInput => ({ kind: 'condition', present: false, timeMs });

/** Every state; the silent ones twice, over a condition that is present and over one that is not. */
const STATES = {
  normal: { state: 'normal', active: false },
  unack: { state: 'unacknowledged', active: true },
  ack: { state: 'acknowledged', active: true },
  rtn: { state: 'returned-unacknowledged', active: false },
  latchedUnack: { state: 'latched-unacknowledged', active: false },
  latchedAck: { state: 'latched-acknowledged', active: false },
  shelved: { state: 'shelved', active: false, shelf: { sinceMs: 0, untilMs: LATER } },
  shelvedOn: { state: 'shelved', active: true, shelf: { sinceMs: 0, untilMs: LATER } },
  suppressed: { state: 'suppressed', active: false, suppressed: ['request'] },
  suppressedOn: { state: 'suppressed', active: true, suppressed: ['request'] },
  out: { state: 'out-of-service', active: false, outOfService: true },
  outOn: { state: 'out-of-service', active: true, outOfService: true },
} as const satisfies Record<string, Omit<AlarmState, 'sinceMs'>>;

const N: AlarmStateName = 'normal';
const U: AlarmStateName = 'unacknowledged';
const A: AlarmStateName = 'acknowledged';
const R: AlarmStateName = 'returned-unacknowledged';
const LU: AlarmStateName = 'latched-unacknowledged';
const LA: AlarmStateName = 'latched-acknowledged';
const SH: AlarmStateName = 'shelved';
const SU: AlarmStateName = 'suppressed';
const OU: AlarmStateName = 'out-of-service';

/** Where each input leads from each state of STATES, in its order. */
const TABLE: readonly (readonly [
  name: string,
  input: AlarmInput,
  rules: AlarmRules,
  to: readonly AlarmStateName[],
])[] = [
  ['condition present', present(NOW), AT_ONCE, [U, U, A, U, U, U, SH, SH, SU, SU, OU, OU]],
  ['condition gone', gone(NOW), AT_ONCE, [N, R, N, R, LU, LA, SH, SH, SU, SU, OU, OU]],
  ['condition gone, latching', gone(NOW), LATCHING, [N, LU, LA, R, LU, LA, SH, SH, SU, SU, OU, OU]],
  [
    'acknowledge',
    { kind: 'acknowledge', timeMs: NOW },
    AT_ONCE,
    [N, A, A, N, LA, LA, SH, SH, SU, SU, OU, OU],
  ],
  ['reset', { kind: 'reset', timeMs: NOW }, AT_ONCE, [N, U, A, R, LU, N, SH, SH, SU, SU, OU, OU]],
  [
    'shelve',
    { kind: 'shelve', timeMs: NOW, untilMs: LATER },
    AT_ONCE,
    [SH, SH, SH, SH, SH, SH, SH, SH, SU, SU, OU, OU],
  ],
  ['unshelve', { kind: 'unshelve', timeMs: NOW }, AT_ONCE, [N, U, A, R, LU, LA, N, U, SU, SU, OU, OU]],
  [
    'suppress',
    { kind: 'suppress', suppressor: 'request', timeMs: NOW },
    AT_ONCE,
    [SU, SU, SU, SU, SU, SU, SU, SU, SU, SU, OU, OU],
  ],
  [
    'unsuppress',
    { kind: 'unsuppress', suppressor: 'request', timeMs: NOW },
    AT_ONCE,
    [N, U, A, R, LU, LA, SH, SH, N, U, OU, OU],
  ],
  ['remove from service', { kind: 'remove-from-service', timeMs: NOW }, AT_ONCE, Array(12).fill(OU)],
  [
    'return to service',
    { kind: 'return-to-service', timeMs: NOW },
    AT_ONCE,
    [N, U, A, R, LU, LA, SH, SH, SU, SU, N, U],
  ],
  [
    'time, before the shelf ends',
    { kind: 'time', timeMs: NOW },
    AT_ONCE,
    [N, U, A, R, LU, LA, SH, SH, SU, SU, OU, OU],
  ],
  [
    'time, after the shelf ended',
    { kind: 'time', timeMs: LATER },
    AT_ONCE,
    [N, U, A, R, LU, LA, N, U, SU, SU, OU, OU],
  ],
];

const isOneOf = (names: readonly AlarmStateName[], name: AlarmStateName) => names.includes(name);

const stateOf = (base: Omit<AlarmState, 'sinceMs'>): AlarmState => ({ ...base, sinceMs: 0 });

describe('every state and every input', () => {
  it.each(TABLE)('%s', (_name, input, rules, expected) => {
    const results = Object.values(STATES).map((base) => transition(stateOf(base), input, rules));
    expect(results.map(({ state }) => state)).toEqual(expected);
    for (const [index, base] of Object.values(STATES).entries()) {
      const before = stateOf(base);
      const after = results[index]!;
      expect(after.sinceMs).toBe(after.state === before.state ? 0 : input.timeMs);
    }
  });

  it('covers all states', () => {
    expect(new Set(Object.values(STATES).map(({ state }) => state))).toEqual(new Set(ALARM_STATES));
  });

  it('gives back the very same object where nothing changes', () => {
    const state = stateOf(STATES.ack);
    for (const input of [present(NOW), { kind: 'acknowledge', timeMs: NOW }] as AlarmInput[])
      expect(transition(state, input, AT_ONCE)).toBe(state);
  });
});

describe('delays', () => {
  const rules: AlarmRules = { onDelayMs: 1000, offDelayMs: 3000 };
  const run = (inputs: readonly AlarmInput[], from: AlarmState = stateOf(STATES.normal)) =>
    inputs.reduce((state, input) => transition(state, input, rules), from);

  it('comes after the on-delay, counted from the first value', () => {
    expect(run([present(0), present(999)]).state).toBe(N);
    expect(run([present(0), present(1000)]).state).toBe(U);
    expect(run([present(0), gone(500), present(900), present(1500)]).state).toBe(N);
  });

  it('goes after the off-delay', () => {
    const on = stateOf(STATES.unack);
    expect(run([gone(0), gone(2999)], on).state).toBe(U);
    expect(run([gone(0), gone(3000)], on).state).toBe(R);
    expect(run([gone(0), present(1000), gone(2000), gone(4999)], on).state).toBe(U);
  });

  it('begins a delay anew when the clock is set back', () => {
    expect(run([present(1_000_000), present(10), present(1009)]).state).toBe(N);
    expect(run([present(1_000_000), present(10), present(1010)]).state).toBe(U);
  });
});

describe('silence', () => {
  it('watches the condition while silent', () => {
    const shelved = transition(stateOf(STATES.normal), { kind: 'shelve', timeMs: 0, untilMs: 10 }, AT_ONCE);
    const risen = transition(shelved, present(5), AT_ONCE);
    expect(risen.state).toBe(SH);
    expect(transition(risen, { kind: 'time', timeMs: 10 }, AT_ONCE)).toMatchObject({ state: U, sinceMs: 10 });
  });

  it('keeps each silence by itself', () => {
    const inputs: AlarmInput[] = [
      { kind: 'shelve', timeMs: 0, untilMs: 1000 },
      { kind: 'suppress', suppressor: 'request', timeMs: 1 },
      { kind: 'remove-from-service', timeMs: 2 },
      { kind: 'return-to-service', timeMs: 3 },
      { kind: 'unsuppress', suppressor: 'request', timeMs: 4 },
      { kind: 'time', timeMs: 1000 },
    ];
    let state = stateOf(STATES.ack);
    const seen = inputs.map((input) => {
      state = transition(state, input, AT_ONCE);
      return state.state;
    });
    expect(seen).toEqual([SH, SU, OU, SU, SH, U]);
  });

  it('moves the end of a shelf, and refuses one that is over', () => {
    const shelved = stateOf(STATES.shelved);
    const longer = transition(shelved, { kind: 'shelve', timeMs: NOW, untilMs: LATER + 5 }, AT_ONCE);
    expect(longer).toMatchObject({ state: SH, sinceMs: 0, shelf: { sinceMs: NOW, untilMs: LATER + 5 } });
    const normal = stateOf(STATES.normal);
    expect(transition(normal, { kind: 'shelve', timeMs: NOW, untilMs: NOW }, AT_ONCE)).toBe(normal);
  });

  it('does not shelve a day longer when the clock is set back a day', () => {
    const shelved = transition(
      stateOf(STATES.ack),
      { kind: 'shelve', timeMs: 86_400_000, untilMs: 86_400_000 + 60_000 },
      AT_ONCE,
    );
    const back = transition(shelved, { kind: 'time', timeMs: 1000 }, AT_ONCE);
    expect(back.state).toBe(SH);
    expect(transition(back, { kind: 'time', timeMs: 61_000 }, AT_ONCE).state).toBe(U);
  });
});

describe('properties', () => {
  const inputs = fc.array(
    fc.record({
      kind: fc.constantFrom(
        'present',
        'gone',
        'acknowledge',
        'reset',
        'shelve',
        'unshelve',
        'suppress',
        'unsuppress',
        'remove-from-service',
        'return-to-service',
        'time',
      ),
      gapMs: fc.integer({ min: 0, max: 3000 }),
    }),
    { maxLength: 100 },
  );
  const rulesArbitrary = fc.record({
    onDelayMs: fc.integer({ min: 0, max: 2000 }),
    offDelayMs: fc.integer({ min: 0, max: 2000 }),
    latching: fc.boolean(),
  });

  /** Runs random inputs and gives each step. */
  function steps(list: readonly { kind: string; gapMs: number }[], rules: AlarmRules) {
    let state = stateOf(STATES.normal);
    let timeMs = 0;
    return list.map(({ kind, gapMs }) => {
      timeMs += gapMs;
      const input = (
        kind === 'present' || kind === 'gone'
          ? { kind: 'condition', present: kind === 'present', timeMs }
          : kind === 'shelve'
            ? { kind, timeMs, untilMs: timeMs + 1500 }
            : { kind, timeMs, suppressor: gapMs % 2 === 0 ? 'request' : 'operating-state' }
      ) as AlarmInput;
      const before = state;
      state = transition(state, input, rules);
      return { before, input, after: state };
    });
  }

  it('the name of the state always follows from what the record holds', () => {
    fc.assert(
      fc.property(inputs, rulesArbitrary, (list, rules) => {
        for (const { after } of steps(list, rules)) {
          const silent = after.outOfService || after.suppressed || after.shelf !== undefined;
          expect(isSilent(after)).toBe(Boolean(silent));
          if (after.outOfService) expect(after.state).toBe(OU);
          else if (after.suppressed) expect(after.state).toBe(SU);
          else if (after.shelf) expect(after.state).toBe(SH);
          else expect(after.active).toBe(after.state === U || after.state === A);
        }
      }),
    );
  });

  it('only a person makes an unseen alarm seen, and only a reset ends a latched one', () => {
    fc.assert(
      fc.property(inputs, rulesArbitrary, (list, rules) => {
        for (const { before, input, after } of steps(list, rules)) {
          if (isOneOf([U, R, LU], before.state) && isOneOf([A, LA, N], after.state))
            expect(input.kind).toBe('acknowledge');
          if (before.state === LA && after.state === N) expect(input.kind).toBe('reset');
        }
      }),
    );
  });

  it('never changes on a condition that did not last its delay', () => {
    fc.assert(
      fc.property(inputs, rulesArbitrary, (list, rules) => {
        let since = 0;
        let last: boolean | undefined;
        for (const { before, input, after } of steps(list, rules)) {
          if (input.kind !== 'condition') continue;
          if (input.present !== last) since = input.timeMs;
          last = input.present;
          if (before.active !== after.active)
            expect(input.timeMs - since).toBeGreaterThanOrEqual(
              input.present ? rules.onDelayMs : rules.offDelayMs,
            );
        }
      }),
    );
  });

  it('survives storage at any moment: the stored state goes on alike', () => {
    fc.assert(
      fc.property(inputs, rulesArbitrary, fc.nat(99), (list, rules, at) => {
        const whole = steps(list, rules);
        if (whole.length === 0) return;
        const cut = at % whole.length;
        let state = JSON.parse(JSON.stringify(whole[cut]!.after)) as AlarmState;
        for (const { input } of whole.slice(cut + 1)) state = transition(state, input, rules);
        expect(state).toEqual(whole.at(-1)!.after);
      }),
    );
  });
});

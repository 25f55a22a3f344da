import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AlarmDelays,
  type AlarmInput,
  type AlarmState,
  type AlarmStateName,
  isActive,
  transition,
} from '#sm/alarms/transition.js';

const STATES: readonly AlarmStateName[] = [
  'normal',
  'unacknowledged',
  'acknowledged',
  'returned-unacknowledged',
  'shelved',
  'suppressed',
  'out-of-service',
];

const present = (timeMs: number): AlarmInput => ({ kind: 'condition', present: true, timeMs });
const gone = (timeMs: number): AlarmInput => ({ kind: 'condition', present: false, timeMs });

/** Where each input leads from each state, without delays; the order is that of STATES. */
const TABLE: Readonly<Record<string, { input: AlarmInput; to: readonly AlarmStateName[] }>> = {
  'condition present': {
    input: present(1000),
    to: [
      'unacknowledged',
      'unacknowledged',
      'acknowledged',
      'unacknowledged',
      'shelved',
      'suppressed',
      'out-of-service',
    ],
  },
  'condition gone': {
    input: gone(1000),
    to: [
      'normal',
      'returned-unacknowledged',
      'normal',
      'returned-unacknowledged',
      'shelved',
      'suppressed',
      'out-of-service',
    ],
  },
  acknowledge: {
    input: { kind: 'acknowledge', timeMs: 1000 },
    to: ['normal', 'acknowledged', 'acknowledged', 'normal', 'shelved', 'suppressed', 'out-of-service'],
  },
  'remove from service': {
    input: { kind: 'remove-from-service', timeMs: 1000 },
    to: STATES.map(() => 'out-of-service'),
  },
  'return to service': {
    input: { kind: 'return-to-service', timeMs: 1000 },
    to: [
      'normal',
      'unacknowledged',
      'acknowledged',
      'returned-unacknowledged',
      'shelved',
      'suppressed',
      'normal',
    ],
  },
};

const NO_DELAY: AlarmDelays = { onDelayMs: 0, offDelayMs: 0 };

describe('every transition', () => {
  for (const [name, { input, to }] of Object.entries(TABLE)) {
    for (const [index, from] of STATES.entries()) {
      it(`${name}: ${from} → ${to[index]}`, () => {
        const before: AlarmState = { state: from, sinceMs: 500 };
        const after = transition(before, input, NO_DELAY);
        expect(after.state).toBe(to[index]);
        expect(after.sinceMs).toBe(to[index] === from ? 500 : 1000);
        if (to[index] === from) expect(after).toBe(before);
      });
    }
  }
});

describe('delays', () => {
  const delays: AlarmDelays = { onDelayMs: 100, offDelayMs: 200 };
  const run = (state: AlarmState, ...inputs: AlarmInput[]) =>
    inputs.reduce((current, input) => transition(current, input, delays), state);
  const normal: AlarmState = { state: 'normal', sinceMs: 0 };

  it('comes when the condition has held for the on-delay, not before', () => {
    expect(run(normal, present(1000), present(1099)).state).toBe('normal');
    expect(run(normal, present(1000), present(1099), present(1100))).toEqual({
      state: 'unacknowledged',
      sinceMs: 1100,
    });
  });

  it('begins the on-delay anew when the condition went away', () => {
    const interrupted = run(normal, present(1000), gone(1050));
    expect(interrupted).toEqual(normal);
    expect(run(interrupted, present(1060), present(1150)).state).toBe('normal');
  });

  it('goes when the condition has been gone for the off-delay', () => {
    const raised = run(normal, present(1000), present(1100));
    expect(run(raised, gone(1200), gone(1399)).state).toBe('unacknowledged');
    expect(run(raised, gone(1200), gone(1400)).state).toBe('returned-unacknowledged');
    expect(run(raised, gone(1200), present(1300), gone(1350), gone(1500)).state).toBe('unacknowledged');
  });

  it('keeps the running off-delay over an acknowledgement', () => {
    const raised = run(normal, present(1000), present(1100), gone(1200));
    expect(run(raised, { kind: 'acknowledge', timeMs: 1300 }, gone(1400)).state).toBe('normal');
  });

  it('measures the delay anew when the clock was set back, and does not hang', () => {
    const back = run(normal, present(86_400_000), present(1000), present(1099));
    expect(back.state).toBe('normal');
    expect(transition(back, present(1100), delays).state).toBe('unacknowledged');
  });
});

describe('properties', () => {
  const delays = fc.record({
    onDelayMs: fc.integer({ min: 0, max: 500 }),
    offDelayMs: fc.integer({ min: 0, max: 500 }),
  });
  const samples = fc.array(fc.record({ present: fc.boolean(), stepMs: fc.integer({ min: 1, max: 200 }) }), {
    maxLength: 200,
  });

  it('changes only after the condition differed without a break for the whole delay', () => {
    fc.assert(
      fc.property(delays, samples, (delay, inputs) => {
        let state: AlarmState = { state: 'normal', sinceMs: 0 };
        let timeMs = 0;
        let differsSinceMs: number | undefined;
        for (const { present, stepMs } of inputs) {
          timeMs += stepMs;
          const active = isActive(state);
          differsSinceMs = present === active ? undefined : (differsSinceMs ?? timeMs);
          const next = transition(state, { kind: 'condition', present, timeMs }, delay);
          // The reference: a plain count of how long the condition has differed.
          const due =
            differsSinceMs !== undefined &&
            timeMs - differsSinceMs >= (active ? delay.offDelayMs : delay.onDelayMs);
          expect(isActive(next) !== active).toBe(due);
          if (due) differsSinceMs = undefined;
          state = next;
        }
      }),
    );
  });

  it('gets out of any delay within it, wherever the clock was set', () => {
    const inputs = fc.array(
      fc.record({ present: fc.boolean(), timeMs: fc.integer({ min: 0, max: 10 ** 12 }) }),
      { maxLength: 50 },
    );
    fc.assert(
      fc.property(delays, inputs, fc.integer({ min: 0, max: 10 ** 12 }), (delay, jumps, nowMs) => {
        let state: AlarmState = { state: 'normal', sinceMs: 0 };
        for (const { present, timeMs } of jumps)
          state = transition(state, { kind: 'condition', present, timeMs }, delay);
        state = transition(state, present(nowMs), delay);
        state = transition(state, present(nowMs + delay.onDelayMs), delay);
        expect(isActive(state)).toBe(true);
      }),
    );
  });
});

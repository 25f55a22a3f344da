import { type Clock, systemClock } from '#sm/base/clock.js';

/** The real clock, by whose timers every deadline is far away: other work may hold a process up for many seconds. */
export const patientClock: Clock = {
  ...systemClock,
  setTimer: (name, delayMs, callback) => systemClock.setTimer(name, 20 * delayMs, callback),
};

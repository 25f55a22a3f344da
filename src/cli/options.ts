import { parseDurationMs } from '../base/duration.js';
import { SmEdgeError } from '../base/errors.js';

/** Milliseconds. @throws SmEdgeError `USAGE` */
export function durationOption(flag: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined)
    throw new SmEdgeError('USAGE', `${flag} ${text}: not a duration`, { hint: 'write 30s, 1min or 2h' });
  return ms;
}

/** A number that is not negative. @throws SmEdgeError `USAGE` */
export function numberOption(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) {
    throw new SmEdgeError('USAGE', `${flag} ${text}: not a number that is 0 or more`, {
      hint: 'write it without a unit; sm-edge VERB --help shows the options',
    });
  }
  return value;
}

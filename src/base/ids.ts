import { v7 } from 'uuid';
import type { Clock } from './clock.js';
import type { Random } from './random.js';

/** Makes UUIDv7 ids (RFC 9562): they sort by time, so an index on them stays compact. */
export type NewId = () => string;

export function idGenerator(clock: Clock, random: Random): NewId {
  let sequence = 0;
  const bytes = new Uint8Array(16);
  return () => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
    // A running sequence keeps the ids of one millisecond in the order in which they were made.
    sequence = (sequence + 1) >>> 0;
    return v7({
      msecs: clock.nowMs(),
      seq: sequence,
      random: bytes,
    });
  };
}

import type { Clock } from '../base/clock.js';
import type { DeadLetter, EventJournal, JournaledEvent } from '../events/journal.js';
import { type PackedJson, unpackJson } from './wire/answers.js';

/** The journal of events, from the main thread; `call` asks the storage thread. */
export function storedJournal(
  call: <T>(method: string, argument: unknown) => Promise<T>,
  clock: Clock,
): EventJournal {
  const list = async <T>(method: string, argument: unknown) =>
    unpackJson<T>(clock, await call<PackedJson>(method, argument));
  return {
    read: (afterSeq, limit) => list<JournaledEvent>('journal', { afterSeq, limit }),
    head: () => call<number>('journalHead', undefined),
    cursor: (subscriber) => call<number | undefined>('cursor', subscriber),
    advance: (subscriber, seq) => call<void>('advance', { subscriber, seq }),
    bury: (subscriber, journaled, error, diedMs) =>
      call<void>('bury', { subscriber, journaled, error, diedMs }),
    find: (query) => list<JournaledEvent>('findEvents', query),
    deadLetters: (limit, subscriber) => list<DeadLetter>('deadLetters', { limit, subscriber }),
    deadLetter: (id) => call<DeadLetter | undefined>('deadLetter', id),
    countDeadLetters: () => call<Record<string, number>>('countDeadLetters', undefined),
    isConsumed: (subscriber, eventId) => call<boolean>('isConsumed', { subscriber, eventId }),
    retriedDeadLetter: (id, error, triedMs) => call<void>('retriedDeadLetter', { id, error, triedMs }),
    removeDeadLetter: (id) => call<void>('removeDeadLetter', id),
  };
}

import type { GatewayEvent } from './event.js';
import type { EventQuery } from './query.js';

/** An event with its place in the journal. */
export interface JournaledEvent {
  /** Counts up from 1 without gaps that matter: the order of delivery. */
  readonly seq: number;
  readonly event: GatewayEvent;
}

/** An event that a subscriber could not take. */
export interface DeadLetter {
  readonly id: number;
  readonly subscriber: string;
  readonly event: GatewayEvent;
  /** Code and text of the last failure. */
  readonly error: string;
  /** Milliseconds since the Unix epoch. */
  readonly diedMs: number;
  /** How often a person had it tried again. */
  readonly retries: number;
  readonly triedMs?: number;
}

/** What the bus needs of the disk. Storage implements it. */
export interface EventJournal {
  /** Events behind `afterSeq`, oldest first. */
  read(afterSeq: number, limit: number): Promise<readonly JournaledEvent[]>;
  /** The newest sequence number; 0 where there is none. */
  head(): Promise<number>;
  /** Where a subscriber stands; undefined where it was never there. */
  cursor(subscriber: string): Promise<number | undefined>;
  advance(subscriber: string, seq: number): Promise<void>;
  /** Puts an event aside and moves the cursor over it, in one commit. */
  bury(subscriber: string, journaled: JournaledEvent, error: string, diedMs: number): Promise<void>;
  find(query: EventQuery): Promise<readonly JournaledEvent[]>;
  deadLetters(limit: number, subscriber?: string): Promise<readonly DeadLetter[]>;
  deadLetter(id: number): Promise<DeadLetter | undefined>;
  /** How many there are, by subscriber. */
  countDeadLetters(): Promise<Readonly<Record<string, number>>>;
  /** A dead letter was tried again and failed again. */
  retriedDeadLetter(id: number, error: string, triedMs: number): Promise<void>;
  removeDeadLetter(id: number): Promise<void>;
  /** Whether the effect of an event on a subscriber is written already. */
  isConsumed(subscriber: string, eventId: string): Promise<boolean>;
}

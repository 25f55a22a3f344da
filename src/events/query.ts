import type { EventType } from './event.js';

/** Which events of the journal are wanted; what is missing does not restrict. */
export interface EventQuery {
  readonly types?: readonly EventType[];
  /** Point named in the payload. */
  readonly point?: string;
  /** Alarm named in the payload. */
  readonly alarm?: string;
  readonly correlationId?: string;
  readonly id?: string;
  /** Journaled from here on, milliseconds since the Unix epoch. */
  readonly fromMs?: number;
  /** Not included. */
  readonly toMs?: number;
  /** Behind this place in the journal. */
  readonly afterSeq?: number;
  /** Before this place in the journal. */
  readonly beforeSeq?: number;
  /** The newest ones where there are more than the limit; they come oldest first all the same. */
  readonly newest?: boolean;
  readonly limit: number;
}

import type { SourceDeps } from '../part.js';

/** A message of the gateway about itself. */
export interface OwnMessage {
  readonly topic: string;
  readonly payload: string | Buffer;
  /** Default true. */
  readonly retain?: boolean;
}

/** The retained message by which this gateway says that it is there: birth (`online`), last will (`offline`), farewell (`stopped`). */
export const statusMessage = (
  state: 'online' | 'offline' | 'stopped',
  source: string,
  deps: Pick<SourceDeps, 'gatewayId' | 'clock'>,
): string =>
  JSON.stringify({
    gateway: deps.gatewayId,
    source,
    state,
    // A last will is written at the connection: the time at which it goes out is not known to it.
    ...(state === 'offline' ? {} : { time: new Date(deps.clock.nowMs()).toISOString() }),
  });

import { SmEdgeError } from '../base/errors.js';
import type { DaemonClient } from './daemon-client.js';

/** One event of a stream. */
export interface LiveEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Larger events are no events of ours. */
const MAX_EVENT_CHARACTERS = 16 * 2 ** 20;

/** The server-sent events of `/api/v1/live` until they end or `signal` is aborted. */
export async function* liveEvents(
  client: DaemonClient,
  query: Readonly<Record<string, string | number>>,
  signal: AbortSignal,
): AsyncGenerator<LiveEvent> {
  const text = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  const decoder = new TextDecoder();
  let pending = '';
  try {
    const { body } = await client.open(`/api/v1/live?${text.join('&')}`, signal);
    for await (const chunk of body ?? []) {
      pending += decoder.decode(chunk as Uint8Array, { stream: true });
      if (pending.length > MAX_EVENT_CHARACTERS)
        throw new SmEdgeError('DAEMON_ANSWER', 'the daemon sends an event without an end');
      for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
        const event = parseEvent(pending.slice(0, end));
        pending = pending.slice(end + 2);
        if (event !== undefined) yield event;
      }
    }
  } catch (thrown) {
    if (signal.aborted) return;
    if (thrown instanceof SmEdgeError) throw thrown;
    throw new SmEdgeError('DAEMON_GONE', 'the daemon broke the stream off', {
      cause: thrown,
      hint: 'did it stop? sm-edge status tells',
    });
  }
}

function parseEvent(text: string): LiveEvent | undefined {
  let event = 'message';
  const data: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('data: ')) data.push(line.slice(6));
  }
  return data.length === 0 ? undefined : { event, data: JSON.parse(data.join('\n')) };
}

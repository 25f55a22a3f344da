import { SmEdgeError } from '../base/errors.js';

/** A text that this program wrote as JSON. One that is none any more proves that the file is damaged. */
export function storedJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch (cause) {
    throw new SmEdgeError('STORE_DAMAGED', `a stored text is no JSON any more: ${(cause as Error).message}`, {
      cause,
      retryable: true,
    });
  }
}

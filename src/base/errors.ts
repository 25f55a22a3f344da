/**
 * The one error type of the house. Parts return or throw it; loops decide by `retryable`; only loops log.
 * `code` is stable (`MODBUS_EXCEPTION`), `hint` tells a technician what to do next.
 */
export interface SmEdgeErrorOptions {
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly cause?: unknown;
  /** Small facts for the log: where, what, how much. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export class SmEdgeError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: SmEdgeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SmEdgeError';
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** A plain form that crosses a thread or goes into a log or a JSON document. */
export interface ErrorRecord {
  code: string;
  message: string;
  hint?: string;
  retryable: boolean;
  details?: Readonly<Record<string, unknown>>;
}

/** Any thrown thing as the house's error; a foreign error keeps its text, gets `fallbackCode` and becomes the cause. */
export function toSmEdgeError(thrown: unknown, fallbackCode = 'INTERNAL', hint?: string): SmEdgeError {
  if (thrown instanceof SmEdgeError) return thrown;
  const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return new SmEdgeError(fallbackCode, message, { cause: thrown, ...(hint === undefined ? {} : { hint }) });
}

export function toErrorRecord(thrown: unknown, fallbackCode?: string): ErrorRecord {
  const error = toSmEdgeError(thrown, fallbackCode);
  return {
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }),
  };
}

export function fromErrorRecord(record: ErrorRecord): SmEdgeError {
  return new SmEdgeError(record.code, record.message, record);
}

/** What is asked of the gateway before it has started, or while it stops. */
export const notReady = (): SmEdgeError =>
  new SmEdgeError('NOT_READY', 'the gateway is starting or stopping', { retryable: true });

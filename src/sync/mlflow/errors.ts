import { SmEdgeError } from '../../base/errors.js';

/** What an HTTP status of MLflow, or of a proxy before it, means for a technician. */
export interface HttpFailure {
  /** `POST runs/log-batch`: never the address with its host, never a header. */
  readonly request: string;
  readonly status: number;
  /** MLflow's `error_code`; missing where the answer was not MLflow's. */
  readonly errorCode?: string | undefined;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

interface Meaning {
  readonly code: string;
  readonly retryable: boolean;
  readonly hint: string;
}

function meaningOf({ status, errorCode, message }: HttpFailure): Meaning {
  if (status === 401) {
    return {
      code: 'MLFLOW_UNAUTHORIZED',
      retryable: false,
      hint: 'check user and password, or the token, under sync.mlflow.auth',
    };
  }
  if (status === 403 && /host header/i.test(message)) {
    return {
      code: 'MLFLOW_FORBIDDEN',
      retryable: false,
      hint: 'the server does not accept this host name: start it with --allowed-hosts naming it',
    };
  }
  if (status === 403) {
    return {
      code: 'MLFLOW_FORBIDDEN',
      retryable: false,
      hint: 'give the user EDIT on the experiment and READ on the registered models',
    };
  }
  if (status === 404 && errorCode === undefined) {
    return {
      code: 'MLFLOW_NOT_FOUND',
      retryable: false,
      hint: 'is there an MLflow server at sync.mlflow.trackingUri, with its path prefix?',
    };
  }
  if (status === 404) {
    return { code: 'MLFLOW_NOT_FOUND', retryable: false, hint: 'look for it in the MLflow web page' };
  }
  if (status === 408 || status === 429 || status === 503) {
    return {
      code: 'MLFLOW_BUSY',
      retryable: true,
      hint: 'the server is overloaded; it is tried again later',
    };
  }
  if (status >= 500) {
    return {
      code: 'MLFLOW_SERVER_ERROR',
      retryable: true,
      hint: 'look into the log of the MLflow server; it is tried again later',
    };
  }
  if (status >= 300 && status < 400) {
    return {
      code: 'MLFLOW_REDIRECTED',
      retryable: false,
      hint: 'set sync.mlflow.trackingUri to the address that the server redirects to',
    };
  }
  return { code: 'MLFLOW_REFUSED', retryable: false, hint: 'the server rejects this request as it is' };
}

export function httpFailure(failure: HttpFailure): SmEdgeError {
  const { code, retryable, hint } = meaningOf(failure);
  const { request, status, errorCode, retryAfterMs } = failure;
  // A server under SQLAlchemy puts whole statements into its messages: the first line says it.
  const firstLine = failure.message.split('\n', 1)[0]!.slice(0, 300);
  return new SmEdgeError(code, `MLflow answered ${request} with ${status}: ${firstLine}`, {
    retryable,
    hint,
    details: {
      request,
      status,
      ...(errorCode === undefined ? {} : { errorCode }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
}

const TLS_CODE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO/;

/** A request that got no answer. */
export function linkFailure(request: string, cause: unknown): SmEdgeError {
  const { code, message } = describeCause(cause);
  if (TLS_CODE.test(code)) {
    return new SmEdgeError('MLFLOW_TLS', `no trusted connection to MLflow: ${message} (${code})`, {
      cause,
      hint: 'set sync.mlflow.tls.ca to the authority that signed the certificate of the server, and check the clock',
      details: { request },
    });
  }
  return new SmEdgeError('MLFLOW_UNREACHABLE', `MLflow did not answer ${request}: ${message || code}`, {
    cause,
    retryable: true,
    hint: 'check the network and sync.mlflow.trackingUri; nothing is lost, it is tried again',
    details: { request },
  });
}

function describeCause(cause: unknown): { code: string; message: string } {
  if (!(cause instanceof Error)) return { code: '', message: String(cause) };
  // A name with several addresses fails as an AggregateError without a text of its own.
  const first = cause instanceof AggregateError && cause.errors[0] instanceof Error ? cause.errors[0] : cause;
  return { code: String((first as NodeJS.ErrnoException).code ?? ''), message: first.message };
}

export const badAnswer = (request: string, why: string, cause?: unknown): SmEdgeError =>
  new SmEdgeError('MLFLOW_BAD_ANSWER', `MLflow's answer to ${request} cannot be used: ${why}`, {
    cause,
    hint: 'is it an MLflow server, version 3, without a login page before it?',
    details: { request },
  });

/** MLflow says that the thing asked for does not exist (and it is MLflow that says so, not a proxy). */
export const isAbsent = (thrown: unknown): boolean =>
  thrown instanceof SmEdgeError && thrown.details.errorCode === 'RESOURCE_DOES_NOT_EXIST';

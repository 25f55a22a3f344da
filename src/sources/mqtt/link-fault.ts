import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';

const BROKEN_OFF_HINT = 'look into the log of the broker; does another client use the same client id?';

/** What a technician can do about the ways in which a connection to a broker fails. */
const BY_CODE: Readonly<Record<string, readonly [sentence: string, hint: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'is the broker running, and is the port right?'],
  ENOTFOUND: ['the name of the host is unknown', 'check the host in broker.url and the DNS of this gateway'],
  EAI_AGAIN: [
    'the name of the host cannot be looked up now',
    'is the network up, and the DNS server reachable?',
  ],
  ETIMEDOUT: ['the host does not answer', 'check the address, the cable and the firewall'],
  EHOSTUNREACH: ['there is no route to the host', 'check the address, the cable and the gateway address'],
  ENETUNREACH: ['there is no network', 'check the cable and the network settings of this gateway'],
  ECONNRESET: ['the broker broke the connection off', BROKEN_OFF_HINT],
  EPIPE: ['the broker broke the connection off', BROKEN_OFF_HINT],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['its certificate is self-signed', 'put its authority into broker.tls.ca'],
  SELF_SIGNED_CERT_IN_CHAIN: ['its certificate comes from an unknown authority', 'put it into broker.tls.ca'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'its certificate cannot be verified',
    'put its authority into broker.tls.ca',
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'its certificate cannot be verified',
    'put its authority into broker.tls.ca',
  ],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'renew it; is the clock of this gateway right?'],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', 'is the clock of this gateway right?'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'its certificate is for another host',
    'use the host name of the certificate',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: ['it does not speak TLS on this port', 'use mqtt:// or the TLS port (8883)'],
};

/** mqtt.js gives its own timeouts no code. */
const CODE_OF_MESSAGE: Readonly<Record<string, string>> = {
  'connack timeout': 'ETIMEDOUT',
  'Keepalive timeout': 'ETIMEDOUT',
};

/** CONNACK return codes of 3.1.1 (1-5) and reason codes of MQTT 5 (128 and above). */
const BY_REASON_CODE: Readonly<Record<number, readonly [sentence: string, hint: string]>> = {
  1: ['it does not speak this MQTT version', 'set broker.version to 4'],
  2: ['it refuses the client id', 'set broker.clientId to one that the broker allows'],
  3: ['it is unavailable', 'look into the log of the broker'],
  4: ['it refuses user name and password', 'check broker.username and broker.password'],
  5: [
    'this gateway may not connect',
    'check broker.username and broker.password, and the rights at the broker',
  ],
  132: ['it does not speak this MQTT version', 'set broker.version to 4'],
  133: ['it refuses the client id', 'set broker.clientId to one that the broker allows'],
  134: ['it refuses user name and password', 'check broker.username and broker.password'],
  135: [
    'this gateway may not connect',
    'check broker.username and broker.password, and the rights at the broker',
  ],
  137: ['it is too busy', 'look at the load of the broker'],
  142: [
    'another client connected with the same client id',
    'give each gateway its own gateway.id or clientId',
  ],
};

/** Why a link failed or ended, as one error with a sentence and a hint. Retryable: links are always restored. */
export function linkFault(thrown: unknown, url: string): SmEdgeError {
  if (thrown instanceof SmEdgeError) return thrown;
  const { code: ownCode, message } = thrown as { code?: unknown; message?: unknown };
  const code = ownCode ?? CODE_OF_MESSAGE[String(message)];
  const known =
    typeof code === 'string' ? BY_CODE[code] : typeof code === 'number' ? BY_REASON_CODE[code] : undefined;
  const [sentence, hint] = known ?? [String(message ?? thrown) || 'no reason given', undefined];
  return new SmEdgeError('MQTT_LINK', `the broker at ${url}: ${sentence}`, {
    retryable: true,
    cause: thrown,
    details: typeof code === 'string' || typeof code === 'number' ? { code } : {},
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The store did not take messages: they stay unacknowledged, so their sender sends them again. */
export const notStored = (thrown: unknown): SmEdgeError =>
  new SmEdgeError(
    'MQTT_NOT_STORED',
    `the store did not take the messages: ${toSmEdgeError(thrown).message}`,
    {
      retryable: true,
      cause: thrown,
      hint: 'nothing is lost: what is not stored is not acknowledged and comes again',
    },
  );

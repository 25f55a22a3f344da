import { readFile } from 'node:fs/promises';
import type { IClientOptions } from 'mqtt';
import { SmEdgeError } from '../../base/errors.js';
import type { ExternalBroker } from './config.js';

/** Room for topic and properties beside the payload. */
const PACKET_OVERHEAD_BYTES = 64 << 10;

async function pem(path: string | undefined, what: string): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new SmEdgeError('MQTT_TLS_FILE', `${what} cannot be read: ${path}`, {
      hint: 'check the path and that the service user may read the file',
      cause,
    });
  }
}

/** The options of mqtt.js for a broker. Throws where a TLS file is missing. */
export async function clientOptions(
  broker: ExternalBroker,
  clientId: string,
  maxPayloadBytes: number,
): Promise<IClientOptions> {
  const { tls, username, password } = broker;
  const [ca, cert, key] = await Promise.all([
    pem(tls?.ca, 'the authority in broker.tls.ca'),
    pem(tls?.cert, 'the certificate in broker.tls.cert'),
    pem(tls?.key, 'the key in broker.tls.key'),
  ]);
  const sessionExpiryInterval = Math.floor(broker.sessionExpiry / 1000);
  return {
    clientId,
    protocolVersion: broker.version,
    clean: broker.sessionExpiry === 0,
    keepalive: Math.round(broker.keepAlive / 1000),
    connectTimeout: broker.connectTimeout,
    // Reconnecting, resubscribing and queueing are the gateway's own business: its queue is on disk.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Half a dozen calls a message, for a log that nobody switched on.
    log: () => undefined,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized }),
    ...(broker.version === 4
      ? {}
      : {
          properties: {
            sessionExpiryInterval,
            receiveMaximum: broker.maxInFlight,
            // Four times the limit: somewhat too large messages are still seen and counted, huge ones never sent.
            maximumPacketSize: Math.min(4 * maxPayloadBytes + PACKET_OVERHEAD_BYTES, 268_435_455),
          },
        }),
  };
}

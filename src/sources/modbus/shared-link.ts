import { SmEdgeError } from '../../base/errors.js';
import type { LineTarget } from '../line.js';
import type { SourceDeps } from '../part.js';
import { SharedResources } from '../shared.js';
import { type ConnectionConfig, silenceMs } from './config-connection.js';
import { ModbusLink } from './link.js';

/** One link per host and port, or per serial port, whatever the number of sources: many devices allow no second one. */
export interface LinkLease {
  readonly link: ModbusLink;
  /** Resolves when the link is closed, if this was its last user. */
  release(): Promise<void>;
}

interface Held {
  readonly link: ModbusLink;
  readonly settings: string;
  readonly owner: string;
}

type Deps = Pick<SourceDeps, 'clock' | 'random' | 'metrics' | 'shared'>;

/** @throws SmEdgeError `MODBUS_LINK_CONFLICT` where another source has the link open with other settings */
export function leaseLink(owner: string, connection: ConnectionConfig, deps: Deps): LinkLease {
  const shared = deps.shared ?? new SharedResources();
  const key = `modbus ${linkName(connection)}`;
  const settings = JSON.stringify(settingsOf(connection));
  const held = shared.acquire<Held>(key, () => ({ link: makeLink(connection, deps), settings, owner }));
  let released = false;
  const release = async () => {
    if (released) return;
    released = true;
    await shared.release(key, held, ({ link }) => link.stop());
  };
  if (held.settings !== settings) {
    void release();
    throw new SmEdgeError(
      'MODBUS_LINK_CONFLICT',
      `${linkName(connection)} is already in use by the source ${held.owner}, with other settings`,
      {
        hint: 'give both sources the same connection (transport, baud rate, parity …), or put their units into one',
      },
    );
  }
  return { link: held.link, release };
}

export const targetOf = (connection: ConnectionConfig): LineTarget => {
  if (connection.transport !== 'rtu') return { host: connection.host, port: connection.port };
  const { path, baudRate, dataBits, parity, stopBits, rtscts, rs485 } = connection;
  return { path, baudRate, dataBits, parity, stopBits, rtscts, rs485 };
};

const linkName = (connection: ConnectionConfig): string =>
  connection.transport === 'rtu' ? connection.path : `${connection.host.toLowerCase()}:${connection.port}`;

/** What two users of one link must agree on; deadlines and pauses go with each request. */
const settingsOf = (connection: ConnectionConfig): unknown => [
  connection.transport,
  targetOf(connection),
  silenceMs(connection),
];

function makeLink(connection: ConnectionConfig, { clock, random, metrics }: Deps): ModbusLink {
  const link = linkName(connection);
  const discarded = metrics.counter(
    'sm_edge_modbus_discarded_answers_total',
    'Answers that were not to the request at hand: late, repeated, of another unit',
    ['link', 'reason'],
  );
  const garbage = metrics.counter(
    'sm_edge_modbus_garbage_bytes_total',
    'Bytes on the line that belong to no frame',
    ['link'],
  );
  return new ModbusLink({
    clock,
    random,
    target: targetOf(connection),
    framing: connection.transport === 'tcp' ? 'mbap' : 'rtu',
    timeoutMs: connection.timeout,
    connectTimeoutMs: connection.connectTimeout,
    silenceMs: silenceMs(connection),
    abandonSilent: connection.transport !== 'rtu',
    onDiscarded: (reason) => discarded.inc({ link, reason }),
    onGarbage: (bytes) => garbage.inc({ link }, bytes),
  });
}

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../support/free-port.js';
import { hasMosquitto, Mosquitto } from '../../support/mosquitto.js';
import { onPath, requirePeer } from '../../support/require.js';
import { isGood, publisher, startSource, until } from './support.js';

const run = promisify(execFile);
const hasOpenssl = requirePeer('openssl', onPath('openssl'), 'apt-get install openssl');
const COUNT = { filter: 'count/{machine}', point: '{machine}.count', payload: { kind: 'number', unit: '1' } };

describe.skipIf(!hasMosquitto() || !hasOpenssl)('over TLS and WebSocket', () => {
  let folder: string;
  let broker: Mosquitto;
  let tlsPort: number;
  let websocketPort: number;
  const file = (name: string) => join(folder, name);
  const open: { stop(): Promise<void> }[] = [];

  /** An authority of its own, a certificate for localhost and one for the gateway. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sm-edge-tls-'));
    const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    await openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Plant CA');
    await writeFile(file('san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    for (const name of ['localhost', 'gateway']) {
      const request = [...newKey.slice(0, 5), '-keyout', `${name}.key`, '-out', `${name}.csr`];
      await openssl('req', ...request, '-subj', `/CN=${name}`);
      const authority = [
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-extfile',
        'san',
        '-days',
        '2',
      ];
      await openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...authority);
    }
    tlsPort = await freePort();
    websocketPort = await freePort();
    broker = await Mosquitto.start({
      config: [
        `listener ${tlsPort} 127.0.0.1`,
        `cafile ${file('ca.pem')}`,
        `certfile ${file('localhost.pem')}`,
        `keyfile ${file('localhost.key')}`,
        'require_certificate true',
        `listener ${websocketPort} 127.0.0.1`,
        'protocol websockets',
      ].join('\n'),
    });
  });

  afterAll(async () => {
    await broker?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.stop();
  });

  const start = async (brokerConfig: object) => {
    const started = await startSource({ broker: brokerConfig, subscriptions: [COUNT] });
    open.push(started.source);
    return started;
  };

  const receives = async ({ source, sink }: Awaited<ReturnType<typeof start>>): Promise<void> => {
    await isGood(source);
    const client = await publisher(broker.url);
    open.push({ stop: () => client.endAsync(true) });
    await client.publishAsync('count/a', '5', { qos: 1 });
    await until(() => expect(sink.readings).toHaveLength(1));
  };

  it('authenticates both sides by certificates', async () => {
    const tls = { ca: file('ca.pem'), cert: file('gateway.pem'), key: file('gateway.key') };
    await receives(await start({ url: `mqtts://localhost:${tlsPort}`, tls }));
  });

  it('refuses a broker whose authority it does not know, and says what to do', async () => {
    const tls = { cert: file('gateway.pem'), key: file('gateway.key') };
    const { source } = await start({ url: `mqtts://localhost:${tlsPort}`, tls });
    await until(() => expect(source.status.state).toBe('failed'));
    expect(source.status.reason).toContain('broker.tls.ca');
  });

  it('ends at once where a certificate file is missing', async () => {
    const url = `mqtts://localhost:${tlsPort}`;
    const config = { broker: { url, tls: { ca: file('none.pem') } }, subscriptions: [COUNT] };
    await expect(startSource(config)).rejects.toMatchObject({ code: 'MQTT_TLS_FILE' });
  });

  it('speaks over WebSocket', async () => {
    await receives(await start({ url: `ws://127.0.0.1:${websocketPort}/mqtt` }));
  });
});

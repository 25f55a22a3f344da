import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type mqtt from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Access, covers } from '#sm/sources/mqtt/broker-access.js';
import { BrokerUsers, hashPassword } from '#sm/sources/mqtt/broker-users.js';
import { topicPattern } from '#sm/sources/mqtt/topic-filter.js';
import { findProgram, onPath, requirePeer } from '../../support/require.js';
import { isGood, publisher, startSource, TestSink, until } from './support.js';

describe('the rights of a client', () => {
  it('a filter that is covered never matches more than the one that covers it', () => {
    const level = fc.constantFrom('a', 'b', '+', '{username}');
    const filter = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([levels, open]) =>
        [...levels.map((one) => one.replace('{username}', 'u')), ...(open ? ['#'] : [])].join('/'),
      );
    // Levels to put where the filter leaves it open, so that nearly every topic matches.
    const fill = fc.array(fc.constantFrom('a', 'b', 'u', 'c'), { minLength: 5, maxLength: 8 });
    const topicOf = (asked: string, levels: readonly string[]) =>
      asked
        .split('/')
        .flatMap((level, i) => (level === '#' ? levels.slice(5) : level === '+' ? [levels[i]!] : [level]))
        .join('/');
    let tried = 0;
    const property = fc.property(
      filter,
      filter,
      fc.array(fill, { maxLength: 10 }),
      (allowed, asked, fills) => {
        if (!covers(allowed, asked)) return;
        for (const one of fills.map((levels) => topicOf(asked, levels))) {
          if (topicPattern(asked).match(one) === undefined) continue;
          tried++;
          expect(
            topicPattern(allowed).match(one),
            `${allowed} lets ${asked} through, and not ${one}`,
          ).not.toBe(undefined);
        }
      },
    );
    fc.assert(property, { numRuns: 4000 });
    // A property that is hardly ever tried holds of anything.
    expect(tried).toBeGreaterThan(300);
    expect([covers('a/+', 'a/#'), covers('#', '$SYS/#'), covers('a/#', 'a/+/b'), covers('a', 'a/#')]).toEqual(
      [false, false, true, false],
    );
  });

  it('a name with wildcards gives itself no rights', () => {
    const access = new Access({ publish: ['plant/{username}/#'], subscribe: ['{clientId}/#'] }, '+', '#');
    expect(access.mayPublish('plant/pump/x')).toBe(false);
    expect(access.maySubscribe('#')).toBe(false);
  });
});

describe('the passwords of users', () => {
  it('are hashed, and one that is hashed twice is another text', async () => {
    const [first, second] = [await hashPassword('öl'), await hashPassword('öl')];
    expect(first).not.toBe(second);
    const users = new BrokerUsers([{ username: 'press', passwordHash: first }]);
    expect(await users.admit('press', Buffer.from('öl'))).toBe(true);
    expect(await users.admit('press', Buffer.from('oil'))).toBe(false);
    expect(await users.admit('nobody', Buffer.from('öl'))).toBe(false);
  });

  const hasTool = requirePeer('mosquitto_passwd', onPath('mosquitto_passwd'), 'scripts/test-servers.sh');
  it.skipIf(!hasTool)('may be those that mosquitto_passwd wrote', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sm-edge-passwd-'));
    try {
      const file = join(folder, 'passwd');
      const variants = [['-H', 'sha512-pbkdf2'], []];
      for (const variant of variants) {
        try {
          execFileSync(findProgram('mosquitto_passwd')!, [...variant, '-c', '-b', file, 'press', 'öl'], {
            stdio: 'pipe',
          });
          break;
        } catch {
          // Versions before 2.1 know only this hash, and no option for it.
        }
      }
      const passwordHash = readFileSync(file, 'utf8').trim().slice('press:'.length);
      const users = new BrokerUsers([{ username: 'press', passwordHash }]);
      expect(await users.admit('press', Buffer.from('öl'))).toBe(true);
      expect(await users.admit('press', Buffer.from('Öl'))).toBe(false);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the embedded broker guards', () => {
  const open: (() => Promise<unknown>)[] = [];
  let folder: string;
  const hasOpenssl = requirePeer('openssl', onPath('openssl'), 'apt-get install openssl');
  const subscriptions = [
    { filter: 'count/{machine}', point: '{machine}.count', payload: { kind: 'number', unit: '1' } },
  ];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sm-edge-broker-'));
    if (!hasOpenssl) return;
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', 'b.key', '-out', 'b.pem', ...name], {
      cwd: folder,
      stdio: 'pipe',
    });
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = async (embedded: object) => {
    const sink = new TestSink();
    const config = { broker: { embedded: { listen: '127.0.0.1:0', ...embedded } }, subscriptions };
    const started = await startSource(config, { sink });
    open.push(() => started.source.stop());
    await isGood(started.source);
    const { port } = (started.source as unknown as { address: { port: number } }).address;
    return { ...started, port };
  };
  const connect = async (url: string, options: mqtt.IClientOptions) => {
    const client = await publisher(url, { reconnectPeriod: 0, ...options });
    open.push(() => client.endAsync(true));
    return client;
  };

  it('topics: publish, subscribe and last will, each by its list', async () => {
    const user = {
      username: 'press',
      password: 'öl',
      publish: ['count/{username}'],
      subscribe: ['commands/{username}/#'],
    };
    const { port, sink, counter } = await start({ users: [user] });
    const url = `mqtt://127.0.0.1:${port}`;
    const credentials = { username: 'press', password: 'öl' };
    const client = await connect(url, credentials);
    await client.publishAsync('count/press', '1', { qos: 1 });
    const granted = await client.subscribeAsync(['commands/press/+', '#']).catch((error) => error);
    expect(JSON.stringify(granted)).toMatch(/128|Unspecified/);
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.publish('count/other', '2', { qos: 1 });
    await closed;
    const will = { topic: 'count/other', payload: Buffer.from('3'), qos: 1 as const, retain: false };
    await expect(connect(url, { ...credentials, will })).rejects.toThrow(/Not authorized/);
    expect(sink.readings.map(({ point }) => point)).toEqual(['press.count']);
    expect(await counter('sm_edge_mqtt_refused_clients_total', { reason: 'access' })).toBe(3);
  });

  it.skipIf(!hasOpenssl)('the line: TLS, and clients by their certificate', async () => {
    const tls = { cert: join(folder, 'b.pem'), key: join(folder, 'b.key'), ca: join(folder, 'b.pem') };
    const { port, sink, counter } = await start({ tls });
    const url = `mqtts://localhost:${port}`;
    const ca = readFileSync(tls.cert);
    const client = await connect(url, { ca, cert: ca, key: readFileSync(tls.key) });
    await client.publishAsync('count/a', '1', { qos: 1 });
    expect(sink.readings).toHaveLength(1);
    await expect(connect(url, { ca })).rejects.toThrow();
    expect(await counter('sm_edge_mqtt_refused_clients_total', { reason: 'credentials' })).toBeGreaterThan(0);
  });

  it('itself against a client that sends too fast, and loses nothing of it', async () => {
    // So slow that no machine takes the messages more slowly by itself.
    const { port, sink, counter } = await start({ maxRate: 10 });
    const client = await connect(`mqtt://127.0.0.1:${port}`, {});
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => client.publishAsync('count/a', String(i), { qos: 1 })),
    );
    expect(sink.readings).toHaveLength(20);
    await until(async () =>
      expect(await counter('sm_edge_mqtt_refused_clients_total', { reason: 'rate' })).toBeGreaterThan(0),
    );
  });
});

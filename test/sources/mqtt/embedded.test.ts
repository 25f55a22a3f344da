import { connect } from 'node:net';
import mqtt from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { isGood, publisher, type Started, startSource, TestSink, until } from './support.js';

const COUNT = { filter: 'count/{machine}', point: '{machine}.count', payload: { kind: 'number', unit: '1' } };
const WAVEFORM = {
  filter: 'wave/{machine}',
  point: '{machine}.acceleration',
  payload: { kind: 'waveform', sampleRateHz: 25_600, unit: 'g' },
};

describe('the embedded broker', () => {
  const open: { stop(): Promise<void> }[] = [];

  const start = async (
    embedded: object = {},
    sink = new TestSink(),
    subscriptions: object[] = [COUNT],
  ): Promise<Started & { url: string; port: number }> => {
    const config = { broker: { embedded: { listen: '127.0.0.1:0', ...embedded } }, subscriptions };
    const started = await startSource(config, { sink });
    open.push(started.source);
    await isGood(started.source);
    const { port } = (started.source as unknown as { address: { port: number } }).address;
    return { ...started, port, url: `mqtt://127.0.0.1:${port}` };
  };

  const publish = async (url: string, options = {}) => {
    const client = await publisher(url, options);
    open.push({ stop: () => client.endAsync(true) });
    return client;
  };

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.stop();
  });

  it.each([1, 2] as const)(
    'acknowledges QoS %i to the publisher after the store has the message',
    async (qos) => {
      const sink = new TestSink();
      sink.automatic = false;
      const { url } = await start({}, sink);
      const client = await publish(url);
      const acknowledged: number[] = [];
      for (let i = 0; i < 10; i++) client.publish('count/a', String(i), { qos }, () => acknowledged.push(i));
      await until(() => expect(sink.pending.flatMap(({ batch }) => batch.readings ?? [])).toHaveLength(10));
      expect(acknowledged).toEqual([]);
      sink.storeAll();
      await until(() => expect(acknowledged).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
      expect(sink.readings.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  );

  it('disconnects the publisher of what the store refused; the publisher sends it again', async () => {
    const sink = new TestSink();
    sink.automatic = false;
    const { url, source } = await start({}, sink);
    const client = await publish(url);
    const acknowledged = client.publishAsync('count/a', '5', { qos: 1 });
    await until(() => expect(sink.pending).toHaveLength(1));
    sink.automatic = true;
    sink.refuseAll();
    await acknowledged;
    expect(sink.readings.map(({ value }) => value)).toEqual([5]);
    await isGood(source);
  });

  it('serves other clients as any broker', async () => {
    const { url } = await start();
    const listener = await publish(url);
    const heard: string[] = [];
    listener.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
    await listener.subscribeAsync(['count/#', 'other/#', 'sm-edge/#'], { qos: 1 });
    const client = await publish(url);
    await client.publishAsync('count/a', '5', { qos: 1 });
    await client.publishAsync('other/b', 'x', { qos: 1 });
    await until(() => {
      expect(heard.find((line) => line.startsWith('sm-edge/gw-1/status'))).toContain('"state":"online"');
      expect(heard.filter((line) => !line.startsWith('sm-edge'))).toEqual(['count/a 5', 'other/b x']);
    });
  });

  it('lets in only its users', async () => {
    const { url, counter } = await start({ users: [{ username: 'press', password: 'öl' }] });
    await expect(publisher(url, { reconnectPeriod: 0 })).rejects.toThrow(/Not authorized|Bad username/);
    await expect(
      publisher(url, { reconnectPeriod: 0, username: 'press', password: 'oil' }),
    ).rejects.toThrow();
    const client = await publish(url, { username: 'press', password: 'öl' });
    await client.publishAsync('count/a', '5', { qos: 1 });
    expect(await counter('sm_edge_mqtt_refused_clients_total', { reason: 'credentials' })).toBe(2);
  });

  it('refuses connections over its limit and packets over theirs', async () => {
    const { url, port, counter } = await start({ maxConnections: 2, maxPacket: '1KiB' });
    const client = await publish(url);
    const second = connect(port, '127.0.0.1');
    open.push({ stop: async () => void second.destroy() });
    const third = connect(port, '127.0.0.1');
    await new Promise((resolve) => third.once('close', resolve));
    expect(await counter('sm_edge_mqtt_refused_clients_total', { reason: 'connections' })).toBe(1);
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.publish('count/a', Buffer.alloc(2000), { qos: 0 });
    await closed;
    expect(await counter('sm_edge_mqtt_refused_clients_total', { reason: 'size' })).toBe(1);
  });

  it('keeps a session for an absent client, but not without end', async () => {
    const { url, counter } = await start();
    const options = { clientId: 'dashboard', clean: false };
    const first = await publish(url, options);
    await first.subscribeAsync('#', { qos: 1 });
    await first.endAsync();
    const client = await publish(url);
    for (let i = 0; i < 1200; i += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, k) => client.publishAsync('other', String(i + k), { qos: 1 })),
      );
    }
    await until(async () => expect(await counter('sm_edge_mqtt_dropped_for_clients_total')).toBe(200));
    const heard: string[] = [];
    const second = mqtt.connect(url, { ...options, protocolVersion: 4 });
    open.push({ stop: () => second.endAsync(true) });
    second.on('message', (_topic, payload) => heard.push(String(payload)));
    await until(() => expect(heard).toHaveLength(1000));
    expect(heard[0]).toBe('0');
    // The queue is empty again: the next message is taken.
    await client.publishAsync('other', 'last', { qos: 1 });
    await until(() => expect(heard.at(-1)).toBe('last'));
  });

  it('is not held up by a client that does not read', async () => {
    const { url, port, sink } = await start();
    const deaf = connect(port, '127.0.0.1');
    open.push({ stop: async () => void deaf.destroy() });
    // CONNECT (client id "deaf", clean session, no keep-alive) and SUBSCRIBE to "#", byte by byte.
    deaf.write(Buffer.from('101000044d51545404020000000464656166', 'hex'));
    await new Promise((resolve) => deaf.once('data', resolve));
    deaf.write(Buffer.from('8206000100012300', 'hex'));
    await new Promise((resolve) => deaf.once('data', resolve));
    deaf.pause();
    const client = await publish(url);
    const big = Buffer.alloc(256 << 10, 0x20);
    for (let i = 0; i < 150; i++) await client.publishAsync('other', big, { qos: 1 });
    await client.publishAsync('count/a', '7', { qos: 1 });
    expect(sink.readings).toHaveLength(1);
  });

  it('reads no more than it may hold while the store takes nothing', async () => {
    const sink = new TestSink();
    sink.automatic = false;
    const { url, counter } = await start({}, sink, [WAVEFORM]);
    const client = await publish(url);
    const payload = Buffer.alloc(256 << 10);
    let acknowledged = 0;
    for (let i = 0; i < 400; i++) {
      client.publish('wave/a', payload, { qos: 1 }, () => {
        acknowledged++;
      });
    }
    await until(async () => expect(await counter('sm_edge_mqtt_in_flight')).toBeGreaterThanOrEqual(128));
    // 32 MiB, and what had been read of each connection.
    expect(await counter('sm_edge_mqtt_in_flight')).toBeLessThan(140);
    sink.automatic = true;
    sink.storeAll();
    await until(() => expect(acknowledged).toBe(400));
    expect(sink.blocks).toHaveLength(400);
  });
});

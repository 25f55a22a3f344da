import { type AddressInfo, createServer } from 'node:net';
import { Aedes } from 'aedes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasMosquitto, Mosquitto } from '../../support/mosquitto.js';
import { isGood, memory, publisher, type Started, startSource, TestSink, until } from './support.js';

const TEMPERATURE = {
  filter: 'plant/{machine}/temperature',
  point: '{machine}.temperature',
  payload: { kind: 'json', value: '$.value', time: { path: '$.ts', unit: 'ms' }, unit: 'degC' },
};
const COUNT = { filter: 'count/{machine}', point: '{machine}.count', payload: { kind: 'number', unit: '1' } };
const VIBRATION = {
  filter: 'plant/{machine}/{position}/vibration',
  point: '{machine}.{position}.acceleration',
  payload: { kind: 'waveform', encoding: 'float32le', sampleRateHz: 12_000, unit: 'g' },
};

for (const version of [4, 5] as const) {
  describe.skipIf(!hasMosquitto())(`a client of mosquitto, MQTT version ${version}`, () => {
    let broker: Mosquitto;
    const open: { stop(): Promise<void> }[] = [];

    const start = async (
      subscriptions: unknown[],
      options: { sink?: TestSink; memory?: ReturnType<typeof memory>; broker?: object } = {},
    ): Promise<Started> => {
      const config = { broker: { url: broker.url, version, ...options.broker }, subscriptions };
      const started = await startSource(config, options);
      open.push(started.source);
      return started;
    };

    const publish = async (options = {}) => {
      const client = await publisher(broker.url, options);
      open.push({ stop: () => client.endAsync(true) });
      return client;
    };

    beforeEach(async () => {
      broker = await Mosquitto.start({ config: 'max_inflight_messages 100\nmax_queued_messages 100000' });
    });

    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one.stop();
      await broker.stop();
    });

    it('delivers waveforms sample by sample and readings with the time of the device', async () => {
      const { source, sink } = await start([VIBRATION, TEMPERATURE]);
      await isGood(source);
      const client = await publish();
      const sent: Float32Array[] = [];
      for (let block = 0; block < 200; block++) {
        const samples = Float32Array.from({ length: 1024 }, (_, i) => Math.sin(block * 1024 + i) * 3);
        sent.push(samples);
        client.publish('plant/pump-1/bearing-de/vibration', Buffer.from(samples.buffer), { qos: 1 });
      }
      await client.publishAsync('plant/pump-1/temperature', '{"value":61.5,"ts":1750000000123}', { qos: 1 });
      await until(() => expect(sink.readings).toHaveLength(1));
      expect(sink.blocks.map(({ samples }) => samples)).toEqual(sent);
      expect(sink.blocks[0]).toMatchObject({
        point: 'pump-1.bearing-de.acceleration',
        sampleRateHz: 12_000,
        unit: 'g',
        quality: 'good',
      });
      expect(sink.readings[0]).toEqual({
        point: 'pump-1.temperature',
        timeMs: 1750000000123,
        value: 61.5,
        unit: 'degC',
        quality: 'good',
      });
      expect(sink.offered).toEqual([]);
    });

    it('offers QoS 0 messages', async () => {
      const { source, sink } = await start([{ ...COUNT, qos: 0 }]);
      await isGood(source);
      await (await publish()).publishAsync('count/a', '7', { qos: 1 });
      await until(() => expect(sink.offered).toHaveLength(1));
      expect(sink.offered[0]?.readings?.[0]).toMatchObject({ point: 'a.count', value: 7 });
      expect(sink.deliveries).toBe(0);
    });

    it.each([1, 2] as const)(
      'holds the acknowledgement of QoS %i until the store has the message',
      async (qos) => {
        const sink = new TestSink();
        sink.automatic = false;
        const first = await start([{ ...COUNT, qos }], { sink });
        await isGood(first.source);
        const client = await publish();
        for (let i = 0; i < 20; i++) client.publish('count/a', String(i), { qos });
        await client.publishAsync('count/a', '20', { qos });
        // All of them wait together: the broker sends on although nothing is acknowledged.
        await until(async () => expect(await first.counter('sm_edge_mqtt_in_flight')).toBe(21));
        expect(await first.counter('sm_edge_mqtt_acknowledged_total')).toBe(0);
        // The gateway dies without having stored anything: a new one under the same name gets everything again.
        const stopped = first.source.stop();
        sink.refuseAll();
        await stopped;
        const second = await start([{ ...COUNT, qos }]);
        await until(() =>
          expect(second.sink.readings.map(({ value }) => value)).toEqual([...Array(21).keys()]),
        );
        await until(async () => expect(await second.counter('sm_edge_mqtt_acknowledged_total')).toBe(21));
        await second.source.stop();
        // What was acknowledged does not come again.
        const third = await start([{ ...COUNT, qos }]);
        await isGood(third.source);
        await client.publishAsync('count/a', '99', { qos });
        await until(() => expect(third.sink.readings.map(({ value }) => value)).toEqual([99]));
      },
    );

    it('comes back after a restart of the broker, session kept or lost', async () => {
      const { source, sink, counter } = await start([COUNT]);
      await isGood(source);
      for (const [round, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
        await broker.down(signal);
        await until(() => expect(source.status.state).not.toBe('good'));
        expect(source.status.reason).toContain(broker.url);
        await broker.up();
        await isGood(source);
        await (await publish()).publishAsync('count/a', String(round), { qos: 1 });
        await until(() => expect(sink.readings).toHaveLength(round + 1));
      }
      expect(await counter('sm_edge_mqtt_connections_total')).toBe(3);
    });

    it('starts without the broker and finds it later', async () => {
      await broker.down();
      const { source, sink, warnings, counter } = await start([COUNT]);
      await until(() => expect(source.status.state).toBe('failed'));
      expect(source.status.reason).toMatch(/nothing listens there; is the broker running/);
      await until(async () =>
        expect(await counter('sm_edge_mqtt_connection_losses_total')).toBeGreaterThan(1),
      );
      // One line for the state, not one for each attempt.
      expect(warnings).toHaveLength(1);
      await broker.up();
      await isGood(source);
      await (await publish()).publishAsync('count/a', '1', { qos: 1 });
      await until(() => expect(sink.readings).toHaveLength(1));
    });

    it('unsubscribes what an earlier configuration subscribed in the same session', async () => {
      const kept = memory();
      const other = { ...COUNT, filter: 'other/{machine}' };
      const first = await start([COUNT, other], { memory: kept });
      await isGood(first.source);
      await first.source.stop();
      const client = await publish();
      await client.publishAsync('count/a', '1', { qos: 1 });

      const second = await start([COUNT], { memory: kept });
      await until(() => expect(second.sink.readings.map(({ value }) => value)).toEqual([1]));
      await isGood(second.source);
      await client.publishAsync('other/a', '2', { qos: 1 });
      await client.publishAsync('count/a', '3', { qos: 1 });
      await until(() => expect(second.sink.readings.map(({ value }) => value)).toEqual([1, 3]));
      expect(await second.counter('sm_edge_mqtt_unusable_messages_total')).toBe(0);
    });

    it('does not judge retained messages without a time of their own', async () => {
      const client = await publish();
      await client.publishAsync('count/a', '1', { qos: 1, retain: true });
      await client.publishAsync('plant/p/temperature', '{"value":1,"ts":1750000000000}', {
        qos: 1,
        retain: true,
      });
      const { sink } = await start([COUNT, TEMPERATURE]);
      await until(() => expect(sink.readings).toHaveLength(2));
      expect(sink.readings.find(({ point }) => point === 'a.count')).toMatchObject({
        quality: 'uncertain',
        reason: 'stale',
      });
      expect(sink.readings.find(({ point }) => point === 'p.temperature')).toMatchObject({ quality: 'good' });
    });

    it('takes no more than maxInFlight messages from the broker', async () => {
      const sink = new TestSink();
      sink.automatic = false;
      const { source, counter } = await start([COUNT], { sink, broker: { maxInFlight: 10 } });
      await isGood(source);
      const client = await publish();
      for (let i = 0; i < 50; i++) await client.publishAsync('count/a', String(i), { qos: 1 });
      await until(async () => expect(await counter('sm_edge_mqtt_in_flight')).toBe(10));
      sink.automatic = true;
      sink.storeAll();
      await until(() => expect(sink.readings.map(({ value }) => value)).toEqual([...Array(50).keys()]));
    });

    it('comes back when another client takes its name', async () => {
      const { source, warnings, statuses } = await start([COUNT], { broker: { clientId: 'twin' } });
      await isGood(source);
      const twin = await publish({ clientId: 'twin', protocolVersion: 5, reconnectPeriod: 0 });
      await until(() => expect(warnings).toHaveLength(1));
      await twin.endAsync(true);
      await isGood(source);
      expect(warnings[0]).toContain('connection lost');
      expect(statuses.some(({ reason }) => reason.includes('same client id'))).toBe(true);
    });
  });
}

it.skipIf(!hasMosquitto()).each([4, 5] as const)(
  'names wrong credentials, MQTT version %i',
  async (version) => {
    const broker = await Mosquitto.start({ config: 'allow_anonymous false' });
    const { source, warnings } = await startSource({
      broker: { url: broker.url, version, username: 'gw', password: 'wrong' },
      subscriptions: [COUNT],
    });
    try {
      await until(() => expect(source.status.state).toBe('failed'));
      expect(source.status.reason).toMatch(/may not connect|user name and password/);
      expect(source.status.reason).toContain('broker.username');
      expect(JSON.stringify(warnings)).not.toContain('wrong');
    } finally {
      await source.stop();
      await broker.stop();
    }
  },
);

it.skipIf(!hasMosquitto())('serves several brokers: one that is away touches no other', async () => {
  const brokers = await Promise.all([Mosquitto.start(), Mosquitto.start()]);
  const started = await Promise.all(
    brokers.map(({ url }) => startSource({ broker: { url }, subscriptions: [COUNT] })),
  );
  const [first, second] = started as [Started, Started];
  const clients = await Promise.all(brokers.map(({ url }) => publisher(url)));
  try {
    await Promise.all(started.map(({ source }) => isGood(source)));
    await clients[0]!.publishAsync('count/a', '1', { qos: 1 });
    await clients[1]!.publishAsync('count/b', '2', { qos: 1 });
    await until(() => expect(first.sink.readings.map(({ point }) => point)).toEqual(['a.count']));
    await brokers[0]!.down('SIGKILL');
    await until(() => expect(first.source.status.state).not.toBe('good'));
    await clients[1]!.publishAsync('count/b', '3', { qos: 1 });
    await until(() => expect(second.sink.readings.map(({ value }) => value)).toEqual([2, 3]));
    expect(second.source.status.state).toBe('good');
    expect(second.statuses.filter(({ state }) => state === 'degraded')).toEqual([]);
  } finally {
    for (const client of clients) await client.endAsync(true);
    for (const { source } of started) await source.stop();
    for (const broker of brokers) await broker.stop();
  }
});

// mosquitto's access list lets every SUBSCRIBE pass; aedes can refuse one.
it('is degraded by a refused subscription and serves the others', async () => {
  const aedes = await Aedes.createBroker({
    authorizeSubscribe: (_client, subscription, done) =>
      done(null, subscription.topic.startsWith('plant/') ? subscription : null),
  });
  const server = createServer(aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { source, sink } = await startSource({
    broker: { url, version: 4 },
    subscriptions: [TEMPERATURE, COUNT],
  });
  const client = await publisher(url);
  try {
    await until(() => expect(source.status.state).toBe('degraded'));
    expect(source.status.reason).toContain('count/+');
    await client.publishAsync('plant/p/temperature', '{"value":1,"ts":1750000000000}', { qos: 1 });
    await until(() => expect(sink.readings).toHaveLength(1));
  } finally {
    await client.endAsync(true);
    await source.stop();
    await new Promise<void>((resolve) => aedes.close(() => server.close(() => resolve())));
  }
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasMosquitto, Mosquitto } from '../../support/mosquitto.js';
import { isGood, type memory, publisher, type Started, startSource, TestSink, until } from './support.js';

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

describe.skipIf(!hasMosquitto()).each([4, 5] as const)(
  'a client of mosquitto, MQTT version %i',
  (version) => {
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
        await first.source.stop();
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

    it.each([1, 2] as const)('gets messages of QoS %i again that the store refused', async (qos) => {
      const sink = new TestSink();
      sink.automatic = false;
      const { source, counter, statuses } = await start([{ ...COUNT, qos }], { sink });
      await isGood(source);
      const client = await publish();
      for (let i = 0; i < 5; i++) await client.publishAsync('count/a', String(i), { qos });
      await until(() => expect(sink.pending.flatMap(({ batch }) => batch.readings ?? [])).toHaveLength(5));
      sink.automatic = true;
      sink.refuseAll();
      await until(() =>
        expect(new Set(sink.readings.map(({ value }) => value))).toEqual(new Set([0, 1, 2, 3, 4])),
      );
      await isGood(source);
      expect(statuses.map(({ state }) => state)).toContain('degraded');
      expect(await counter('sm_edge_mqtt_store_refusals_total')).toBeGreaterThan(0);
    });

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
  },
);

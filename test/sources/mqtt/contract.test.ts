import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '#sm/base/clock.js';
import { hasMosquitto, Mosquitto } from '../../support/mosquitto.js';
import { isGood, publisher, type Started, startSource, TestSink, until } from './support.js';

// What holds for every broker: mosquitto with both MQTT versions, and the embedded one.

interface Backend {
  /** Starts the broker and the source. */
  start(
    config: object,
    options: { sink: TestSink; clock?: Clock },
  ): Promise<{ started: Started; url: string; stop(): Promise<void> }>;
}

const mosquitto = (version: 4 | 5): Backend => ({
  async start(config, options) {
    // Without this mosquitto discards what goes past 1000 messages in a burst, QoS 1 or not.
    const broker = await Mosquitto.start({ config: 'max_queued_messages 100000' });
    const started = await startSource({ broker: { url: broker.url, version }, ...config }, options);
    return { started, url: broker.url, stop: () => broker.stop() };
  },
});

const embedded: Backend = {
  async start(config, options) {
    const broker = { embedded: { listen: '127.0.0.1:0', maxPacket: '4MiB' } };
    const started = await startSource({ broker, ...config }, options);
    await isGood(started.source);
    const { port } = (started.source as unknown as { address: { port: number } }).address;
    return { started, url: `mqtt://127.0.0.1:${port}`, stop: async () => undefined };
  },
};

const BACKENDS: readonly (readonly [name: string, available: boolean, backend: Backend])[] = [
  ['mosquitto, MQTT 3.1.1', hasMosquitto(), mosquitto(4)],
  ['mosquitto, MQTT 5', hasMosquitto(), mosquitto(5)],
  ['the embedded broker', true, embedded],
];

const VIBRATION = {
  filter: 'plant/{machine}/{position}/vibration',
  point: '{machine}.{position}.acceleration',
  payload: { kind: 'waveform', encoding: 'int16be', sampleRateHz: 12_000, unit: 'g', fullScale: 8 },
};
const COUNT = { filter: 'count/{machine}', point: '{machine}.count', payload: { kind: 'number', unit: '1' } };

for (const [name, available, backend] of BACKENDS) {
  describe.skipIf(!available)(`with ${name}`, () => {
    const open: { stop(): Promise<void> }[] = [];

    const start = async (config: object, sink = new TestSink(), clock = systemClock) => {
      const { started, url, stop } = await backend.start(config, { sink, clock });
      open.push({ stop }, started.source);
      await isGood(started.source);
      const client = await publisher(url);
      open.push({ stop: () => client.endAsync(true) });
      return { ...started, client, url };
    };

    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one.stop();
    });

    it('delivers every sample of waveforms, in order', async () => {
      // All of it comes at one time: what is held up on its way is no pause in the signal.
      const nowMs = systemClock.nowMs();
      const clock = { ...systemClock, nowMs: () => nowMs };
      const { sink, client } = await start({ subscriptions: [VIBRATION] }, new TestSink(), clock);
      const expected: number[] = [];
      for (let block = 0; block < 100; block++) {
        const payload = Buffer.alloc(2048);
        for (let i = 0; i < 1024; i++) {
          const raw = ((block * 1024 + i) * 7919) % 65_536;
          payload.writeInt16BE(raw - 32_768, 2 * i);
          expected.push((raw - 32_768) / 4096);
        }
        client.publish('plant/pump-1/bearing-de/vibration', payload, { qos: 1 });
      }
      await until(() => expect(sink.blocks).toHaveLength(100));
      expect(sink.blocks.flatMap(({ samples }) => [...samples])).toEqual(expected);
      const starts = sink.blocks.map(({ startTimeMs }) => startTimeMs);
      for (let i = 1; i < 100; i++) expect(starts[i]! - starts[i - 1]!).toBeCloseTo(1024 / 12, 1);
    });

    it('delivers many messages, each once and in order', async () => {
      const { sink, client } = await start({ subscriptions: [COUNT] });
      for (let i = 0; i < 2000; i++) client.publish('count/a', String(i), { qos: 1 });
      await until(() => expect(sink.readings).toHaveLength(2000));
      expect(sink.readings.map(({ value }) => value)).toEqual([...Array(2000).keys()]);
    });

    it.each([1, 2] as const)('gets what the store refused at QoS %i again', async (qos) => {
      const sink = new TestSink();
      sink.automatic = false;
      const { source, client, counter } = await start({ subscriptions: [{ ...COUNT, qos }] }, sink);
      const sent = Array.from({ length: 5 }, (_, i) => client.publishAsync('count/a', String(i), { qos }));
      await until(() => expect(sink.pending.flatMap(({ batch }) => batch.readings ?? [])).toHaveLength(5));
      expect(await counter('sm_edge_mqtt_acknowledged_total')).toBe(0);
      sink.automatic = true;
      sink.refuseAll();
      await Promise.all(sent);
      await until(() => expect(sink.readings.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4]));
      await isGood(source);
      expect(await counter('sm_edge_mqtt_store_refusals_total')).toBeGreaterThan(0);
    });

    it('counts and reports what it cannot use, once a topic, and goes on', async () => {
      const { source, sink, client, counter, warnings } = await start({
        subscriptions: [COUNT, VIBRATION],
        maxPayload: '4KiB',
      });
      for (let i = 0; i < 3; i++) await client.publishAsync('count/a', 'warm', { qos: 1 });
      await client.publishAsync('plant/p/b/vibration', Buffer.alloc(3), { qos: 1 });
      await client.publishAsync('plant/p/b/vibration', Buffer.alloc(5000), { qos: 1 });
      await client.publishAsync('count/ö', '1', { qos: 1 });
      await client.publishAsync('count/a', '1', { qos: 1 });
      await until(() => expect(sink.readings).toHaveLength(1));
      // Three messages in a row are more than an accident.
      expect(source.status.state).toBe('degraded');
      expect(source.status.reason).toBe(
        '3 of the last 3 messages on count/a cannot be used: "warm" is not a number',
      );
      const reasons = ['payload', 'size', 'topic'];
      const counts = reasons.map((reason) => counter('sm_edge_mqtt_unusable_messages_total', { reason }));
      expect(await Promise.all(counts)).toEqual([4, 1, 1]);
      expect(warnings).toEqual([
        expect.stringContaining('"warm" is not a number'),
        expect.stringContaining('plant/p/b/vibration'),
        expect.stringContaining('is no name for a point'),
      ]);
    });

    it('is good again when the messages are, and after a single broken one', async () => {
      const { source, sink, client } = await start({ subscriptions: [COUNT] });
      const send = (text: string) => client.publishAsync('count/a', text, { qos: 1 });
      for (let i = 0; i < 16; i++) await send(String(i));
      await send('warm');
      await send('16');
      await until(() => expect(sink.readings).toHaveLength(17));
      expect(source.status.state).toBe('good');
      for (let i = 0; i < 3; i++) await send('warm');
      await until(() => expect(source.status.state).toBe('degraded'));
      for (let i = 0; i < 16; i++) await send(String(i));
      await isGood(source);
    });

    it('tells of topics that are silent and of those that never spoke', async () => {
      const silent = { ...COUNT, silence: '300ms' };
      const never = { ...COUNT, filter: 'never/{machine}', silence: '300ms' };
      const { source, client, statuses } = await start({ subscriptions: [silent, never] });
      await client.publishAsync('count/a', '1', { qos: 1 });
      await until(() => expect(source.status.reason).toContain('2 topics are silent'));
      expect(source.status.state).toBe('degraded');
      expect(source.status.reason).toContain('never/{machine} (never heard)');
      expect(source.status.reason).toContain('count/a (less than a minute)');
      await client.publishAsync('never/b', '1', { qos: 1 });
      const timer = setInterval(() => {
        client.publish('never/b', '1');
        client.publish('count/a', '1');
      }, 50);
      try {
        await isGood(source);
      } finally {
        clearInterval(timer);
      }
      // Each change was told once, not each message.
      for (const [index, { state, reason }] of statuses.entries())
        expect([state, reason]).not.toEqual([statuses[index - 1]?.state, statuses[index - 1]?.reason]);
    });

    it('makes names of points from topic levels and mixes no two topics', async () => {
      const { sink, client, counter } = await start({ subscriptions: [COUNT] });
      for (const machine of ['Press 4', 'Press-4', 'a.b', 'Press 4']) {
        await client.publishAsync(`count/${machine}`, '1', { qos: 1 });
      }
      await until(() => expect(sink.readings).toHaveLength(4));
      expect(sink.readings.map(({ point }) => point)).toEqual([
        'Press-4.count',
        'Press-4.count',
        'a-b.count',
        'Press-4.count',
      ]);
      expect(await counter('sm_edge_mqtt_unusable_messages_total')).toBe(0);
    });

    it('keeps to its limit of topics', async () => {
      const { sink, client, counter } = await start({ subscriptions: [COUNT], maxTopics: 3 });
      for (let i = 0; i < 5; i++) await client.publishAsync(`count/m${i}`, '1', { qos: 1 });
      await client.publishAsync('count/m1', '2', { qos: 1 });
      await until(() => expect(sink.readings).toHaveLength(4));
      expect(await counter('sm_edge_mqtt_unusable_messages_total', { reason: 'topic' })).toBe(2);
    });

    it('says that it is there', async () => {
      const { url, source } = await start({ subscriptions: [COUNT] });
      const listener = await publisher(url);
      open.push({ stop: () => listener.endAsync(true) });
      const heard: string[] = [];
      listener.on('message', (_topic, payload) => heard.push(JSON.parse(String(payload)).state));
      await listener.subscribeAsync('sm-edge/gw-1/status', { qos: 1 });
      await until(() => expect(heard).toEqual(['online']));
      await source.stop();
      expect(source.status.state).toBe('stopped');
      await source.stop();
    });
  });
}

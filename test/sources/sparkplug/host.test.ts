import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sparkplugPart } from '#sm/sources/sparkplug/index.js';
import { hasMosquitto, Mosquitto } from '../../support/mosquitto.js';
import { publisher } from '../mqtt/support.js';
import { isState, run, until } from '../support.js';
import { EdgeNode, encode, type TahuMetric } from './edge-node.js';

const METRICS = [
  {
    metric: 'Motor/{quantity}',
    device: 'pump-1',
    point: '{device}.motor.{quantity}',
    unit: 'degC',
    range: [-40, 200],
  },
  { metric: 'Wave', point: '{device}.bearing-de.acceleration', sampleRateHz: 1000, unit: 'g' },
  { metric: '{quantity}', point: '{device}.cabinet.{quantity}' },
];
const NODE: TahuMetric[] = [
  {
    name: 'temperature',
    alias: 1,
    type: 'Float',
    value: 31.5,
    properties: { engUnit: { type: 'String', value: 'degC' } },
  },
  { name: 'firmware', type: 'String', value: 'v1' },
];
const PUMP: TahuMetric[] = [
  { name: 'Motor/temperature', alias: 10, type: 'Int16', value: -5 },
  { name: 'Wave', alias: 11, type: 'Bytes', value: new Uint8Array() },
];

describe.skipIf(!hasMosquitto())('a Sparkplug B host application behind mosquitto', () => {
  let broker: Mosquitto;
  const open: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    broker = await Mosquitto.start();
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
    await broker.stop();
  });

  const host = async (config: object = {}) => {
    const running = await run(sparkplugPart, {
      broker: { url: broker.url, version: 4 },
      rebirthInterval: '100ms',
      metrics: METRICS,
      ...config,
    });
    open.push(() => running.source.stop());
    await isState(running.source, 'good');
    return running;
  };
  const node = async (name = 'edge-1', bdSeq = 0) => {
    const edge = await EdgeNode.connect(broker.url, name, NODE, { 'pump-1': PUMP }, bdSeq);
    open.push(() => edge.die());
    return edge;
  };

  it('takes births and data by name and by alias, of nodes and devices', async () => {
    const { readings } = await host();
    const edge = await node();
    edge.born();
    edge.data([{ alias: 1, type: 'Float', value: 32.5, timestamp: 1_750_000_000_123 }]);
    edge.data([{ name: 'Motor/temperature', type: 'Int16', value: 71 }], 'pump-1');
    edge.data([{ alias: 10, type: 'Int16', value: 300 }], 'pump-1');
    await until(() => expect(readings).toHaveLength(5));
    expect(readings.map(({ point, value, unit, quality }) => [point, value, unit, quality])).toEqual([
      ['edge-1.cabinet.temperature', 31.5, 'degC', 'good'],
      ['pump-1.motor.temperature', -5, 'degC', 'good'],
      ['edge-1.cabinet.temperature', 32.5, 'degC', 'good'],
      ['pump-1.motor.temperature', 71, 'degC', 'good'],
      ['pump-1.motor.temperature', 300, 'degC', 'bad'],
    ]);
    expect(readings[2]?.timeMs).toBe(1_750_000_000_123);
  });

  it('asks a node that it does not know to be born, and takes its data from then on', async () => {
    const edge = await node();
    edge.born();
    const { readings, counter } = await host();
    edge.data([{ alias: 10, type: 'Int16', value: 50 }], 'pump-1');
    await until(() => expect(edge.rebirths).toBe(1));
    await until(() => expect(readings).toHaveLength(2));
    edge.data([{ alias: 10, type: 'Int16', value: 51 }], 'pump-1');
    await until(() => expect(readings.at(-1)?.value).toBe(51));
    expect(await counter('sm_edge_sparkplug_rebirth_requests_total', { reason: 'unborn' })).toBe(1);
  });

  it('counts lost messages and has the births told anew', async () => {
    const { counter, readings } = await host();
    const edge = await node();
    edge.born();
    await until(() => expect(readings).toHaveLength(2));
    for (let i = 0; i < 3; i++) edge.next();
    edge.data([{ alias: 10, type: 'Int16', value: 50 }], 'pump-1');
    await until(() => expect(edge.rebirths).toBe(1));
    expect(await counter('sm_edge_sparkplug_lost_messages_total')).toBe(3);
    // 300 messages: the sequence passes 255.
    for (let i = 0; i < 300; i++) edge.data([{ alias: 10, type: 'Int16', value: i }], 'pump-1');
    await until(() => expect(readings.at(-1)?.value).toBe(299));
    expect(edge.rebirths).toBe(1);
    edge.data([{ alias: 99, type: 'Int16', value: 1 }], 'pump-1');
    await until(() => expect(edge.rebirths).toBe(2));
  });

  it('marks what died as stale, and is degraded until the node is back', async () => {
    const { source, readings } = await host();
    const edge = await node('edge-1', 7);
    edge.born();
    await until(() => expect(readings).toHaveLength(2));
    edge.deviceDied('pump-1');
    await until(() => expect(readings).toHaveLength(3));
    expect(readings[2]).toMatchObject({
      point: 'pump-1.motor.temperature',
      quality: 'uncertain',
      reason: 'stale',
    });
    expect(source.status.state).toBe('good');
    await edge.die();
    await isState(source, 'degraded');
    expect(source.status.reason).toBe('an edge node is offline: plant/edge-1');
    expect(readings[3]).toMatchObject({
      point: 'edge-1.cabinet.temperature',
      value: 31.5,
      quality: 'uncertain',
    });
    const again = await node('edge-1', 8);
    again.born();
    await isState(source, 'good');
    // The death of the connection before comes late: it is not this one's.
    const late = await publisher(broker.url);
    open.push(() => late.endAsync(true));
    await late.publishAsync(
      'spBv1.0/plant/NDEATH/edge-1',
      encode([{ name: 'bdSeq', type: 'UInt64', value: 7 }]),
    );
    again.data([{ alias: 10, type: 'Int16', value: 60 }], 'pump-1');
    await until(() => expect(readings.at(-1)?.value).toBe(60));
    expect(source.status.state).toBe('good');
  });

  it('says by STATE that it is there, and that it went', async () => {
    const client = await publisher(broker.url);
    open.push(() => client.endAsync(true));
    const states: { online: boolean; timestamp: number }[] = [];
    client.on('message', (_topic, payload) => states.push(JSON.parse(payload.toString())));
    await client.subscribeAsync('spBv1.0/STATE/gw-1');
    const { source } = await host();
    await until(() => expect(states).toHaveLength(1));
    expect(states[0]).toEqual({ online: true, timestamp: expect.any(Number) });
    // A late will of an earlier connection is contradicted.
    await client.publishAsync('spBv1.0/STATE/gw-1', '{"online":false,"timestamp":1}', {
      retain: true,
      qos: 1,
    });
    await until(() => expect(states.map(({ online }) => online)).toEqual([true, false, true]));
    await source.stop();
    await until(() => expect(states.at(-1)?.online).toBe(false));
    expect(states.at(-1)?.timestamp).toBe(states[0]?.timestamp);
  });

  it('keeps its hands off where commands are forbidden, and counts what is no Sparkplug', async () => {
    const { source, counter } = await host({ rebirth: false, groups: ['plant'] });
    const edge = await node();
    edge.data([{ alias: 1, type: 'Float', value: 1 }]);
    const client = await publisher(broker.url);
    open.push(() => client.endAsync(true));
    await client.publishAsync('spBv1.0/plant/NBIRTH/edge-2', Buffer.from('not protobuf at all'));
    await until(async () =>
      expect(await counter('sm_edge_mqtt_unusable_messages_total', { reason: 'payload' })).toBe(1),
    );
    expect(edge.rebirths).toBe(0);
    expect(source.status.state).toBe('good');
  });
});

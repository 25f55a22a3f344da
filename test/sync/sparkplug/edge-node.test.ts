import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sparkplugPart } from '#sm/sources/sparkplug/index.js';
import { EdgeNode } from '#sm/sync/sparkplug/edge-node.js';
import { metricsOfView } from '#sm/sync/sparkplug/metrics-of-view.js';
import { publisher } from '../../sources/mqtt/support.js';
import { decodePayload, encode } from '../../sources/sparkplug/edge-node.js';
import { isState, run, until } from '../../sources/support.js';
import { Line } from '../../support/line.js';
import { hasMosquitto, Mosquitto } from '../../support/mosquitto.js';
import { Board, type Heard, listen, startNode, valuesOf } from './support.js';

const REBIRTH = [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true }];
const VELOCITY = 'pump-1.bearing-de.velocity';
const NAME = 'Measurement/bearing-de/velocity';

const named = ({ payload }: Heard, name: string) => payload.metrics?.find((metric) => metric.name === name);
const seqs = (heard: readonly Heard[]) =>
  heard.filter(({ type }) => type !== 'NDEATH').map(({ payload }) => Number(payload.seq));
const types = (heard: readonly Heard[]) => heard.map(({ type }) => type);

describe.skipIf(!hasMosquitto())('the gateway as an edge node behind mosquitto, read by Tahu', () => {
  let broker: Mosquitto;
  let board: Board;
  const open: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    broker = await Mosquitto.start();
    board = new Board();
    board.set(VELOCITY, 2.5, { score: 0.25, threshold: 1, diagnosis: 'normal' });
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
    await broker.stop();
  });

  const hear = async () => {
    const { client, heard } = await listen(broker.url);
    open.push(() => client.endAsync(true));
    return { client, heard };
  };
  const start = async (config: object = {}, kept = new Map<string, string>()) => {
    const started = await startNode(broker.url, board, config, kept);
    open.push(() => started.node.stop());
    return started;
  };
  const reaches = (heard: readonly Heard[], count: number) =>
    until(() => expect(heard.length).toBeGreaterThanOrEqual(count));

  it('tells its births, then what changed, by alias and without a gap; a new point is born', async () => {
    const { heard } = await hear();
    const { node } = await start();
    await reaches(heard, 2);
    expect(heard.map(({ type, of }) => [type, of])).toEqual([
      ['NBIRTH', 'gw-1'],
      ['DBIRTH', 'gw-1/pump-1'],
    ]);
    expect(named(heard[0]!, 'bdSeq')?.value).toMatchObject({ low: 0 });
    expect(named(heard[0]!, 'Properties/Site')).toMatchObject({ type: 'String', value: 'plant-3' });
    expect(named(heard[1]!, NAME)).toMatchObject({
      type: 'Double',
      value: 2.5,
      properties: { engUnit: { value: 'mm/s' }, Quality: { value: 192 } },
    });
    expect(named(heard[1]!, 'Diagnosis/bearing-de/velocity')?.value).toBe('normal');
    const alias = Number(named(heard[1]!, NAME)?.alias);
    board.set(VELOCITY, 2.75, { score: 0.25, threshold: 1, diagnosis: 'normal' });
    await reaches(heard, 3);
    expect(valuesOf(heard[2]!)).toEqual([[alias, 2.75]]);
    expect(Number(heard[2]!.payload.metrics?.[0]?.timestamp)).toBe(board.timeMs);
    board.set(VELOCITY, undefined, { score: 0.25, threshold: 1, diagnosis: 'normal' });
    board.alarms = [{ point: VELOCITY, state: 'unacknowledged' }];
    await reaches(heard, 5);
    const lost = heard.slice(3).flatMap(({ payload }) => payload.metrics ?? []);
    expect(lost.find((metric) => Number(metric.alias) === alias)).toMatchObject({
      value: null,
      properties: { Quality: { value: 0 } },
    });
    board.set('fan-2.temperature', 61);
    await until(() => expect(heard.at(-1)).toMatchObject({ type: 'DBIRTH', of: 'gw-1/fan-2' }));
    await node.stop();
    await until(() => expect(heard.at(-1)?.type).toBe('NDEATH'));
    expect(seqs(heard)).toEqual(seqs(heard).map((_, i) => i));
  });

  it('is born again when a host asks, and takes no other command', async () => {
    const { client, heard } = await hear();
    const { metrics } = await start();
    await reaches(heard, 2);
    await client.publishAsync(
      'spBv1.0/plant/DCMD/gw-1/pump-1',
      encode([{ name: NAME, type: 'Double', value: 1 }]),
      {
        qos: 1,
      },
    );
    await client.publishAsync('spBv1.0/plant/NCMD/gw-1', Buffer.from([255, 1, 2]), { qos: 1 });
    await client.publishAsync('spBv1.0/plant/NCMD/gw-1', encode(REBIRTH), { qos: 1 });
    await until(() => expect(types(heard).filter((type) => type === 'NBIRTH')).toHaveLength(2));
    await until(() => expect(types(heard).filter((type) => type === 'DBIRTH')).toHaveLength(2));
    expect(seqs(heard.filter(({ type }) => type === 'NBIRTH'))).toEqual([0, 0]);
    expect(named(heard[1]!, NAME)?.value).toBe(2.5);
    const commands = await metrics.registry.getSingleMetric('sm_edge_sparkplug_commands_total')?.get();
    expect(commands?.values.map(({ labels, value }) => [labels.kind, value])).toEqual([
      ['refused', 2],
      ['rebirth', 1],
    ]);
  });

  it('keeps what changed while the broker was away, and tells it as historical', async () => {
    const kept = new Map<string, string>();
    const line = await Line.to(broker.port);
    open.push(() => line.stop());
    const { node, metrics } = await start(
      { broker: { url: `mqtt://127.0.0.1:${line.port}`, version: 4 } },
      kept,
    );
    await until(() => expect(node.health().state).toBe('good'));
    line.cut();
    await until(() => expect(node.health().state).not.toBe('good'));
    const keptChanges = async () =>
      (await metrics.registry.getSingleMetric('sm_edge_sparkplug_kept_changes')!.get()).values[0]?.value ?? 0;
    for (const value of [3, 4, 5]) {
      const before = await keptChanges();
      board.set(VELOCITY, value);
      await until(async () => expect(await keptChanges()).toBeGreaterThan(before));
    }
    // Somebody listens before it is back: what was kept is told once.
    const { heard } = await hear();
    line.mend();
    await until(() => expect(types(heard)).toContain('DDATA'));
    const data = heard.find(({ type }) => type === 'DDATA')!;
    const historical = data.payload.metrics?.filter(({ value }) => typeof value === 'number') ?? [];
    expect(historical.map(({ value }) => value)).toEqual(expect.arrayContaining([3, 4, 5]));
    expect(data.payload.metrics?.every(({ isHistorical }) => isHistorical === true)).toBe(true);
    expect(kept.get('bdSeq')).not.toBe('0');
  });

  it('dies by its last will, with the number of its birth', async () => {
    const { heard } = await hear();
    await start({ broker: { url: broker.url, version: 4, clientId: 'twin' } });
    await reaches(heard, 2);
    const twin = await publisher(broker.url, { clientId: 'twin', reconnectPeriod: 0 });
    open.push(() => twin.endAsync(true));
    await until(() => expect(types(heard)).toContain('NDEATH'));
    const death = heard.find(({ type }) => type === 'NDEATH')!;
    expect(named(death, 'bdSeq')?.value).toEqual(named(heard[0]!, 'bdSeq')?.value);
    expect(death.payload.seq).toBeUndefined();
    await twin.endAsync(true);
    await until(() => expect(types(heard).filter((type) => type === 'NBIRTH')).toHaveLength(2));
    const second = heard.filter(({ type }) => type === 'NBIRTH')[1]!;
    expect(Number(named(second, 'bdSeq')?.value)).toBeGreaterThan(Number(named(heard[0]!, 'bdSeq')?.value));
  });

  it('waits for its primary host, and dies when the host goes', async () => {
    const { client, heard } = await hear();
    const { node } = await start({ primaryHost: 'scada' });
    const say = (online: boolean, timestamp: number) =>
      client.publishAsync('spBv1.0/STATE/scada', JSON.stringify({ online, timestamp }), {
        qos: 1,
        retain: true,
      });
    await until(() => expect(node.health().reason).toContain('scada is not online'));
    expect(heard).toEqual([]);
    await say(true, 1000);
    await until(() => expect(types(heard).slice(0, 2)).toEqual(['NBIRTH', 'DBIRTH']));
    // The late will of an earlier connection of the host.
    await say(false, 999);
    await say(true, 1000);
    await say(false, 1000);
    await until(() => expect(types(heard)).toContain('NDEATH'));
    board.set(VELOCITY, 7);
    await until(() => expect(node.health().reason).toContain('scada is not online'));
    await say(true, 2000);
    await until(() => expect(types(heard).filter((type) => type === 'NBIRTH')).toHaveLength(2));
    await until(() => expect(named(heard.filter(({ type }) => type === 'DBIRTH')[1]!, NAME)?.value).toBe(7));
    expect(types(heard).filter((type) => type === 'NDEATH')).toHaveLength(1);
  });

  it('is understood by the host application of another gateway', async () => {
    const host = await run(sparkplugPart, {
      broker: { url: broker.url, version: 5 },
      metrics: [{ metric: 'Measurement/{position}/{quantity}', point: '{device}.{position}.{quantity}' }],
    });
    open.push(() => host.source.stop());
    await isState(host.source, 'good');
    const { node } = await start({ broker: { url: broker.url, version: 5 } });
    const wanted = [2.5];
    for (let i = 1; i <= 5; i++) {
      await until(() => expect(host.readings.at(-1)?.value).toBe(wanted.at(-1)));
      wanted.push(2.5 + i);
      board.set(VELOCITY, 2.5 + i);
    }
    await until(() => expect(host.readings.map(({ value }) => value)).toEqual(wanted));
    expect(host.readings.at(-1)).toMatchObject({ point: VELOCITY, unit: 'mm/s', timeMs: board.timeMs });
    expect(await host.counter('sm_edge_sparkplug_lost_messages_total')).toBe(0);
    await node.stop();
    await until(() => expect(host.readings.at(-1)).toMatchObject({ quality: 'uncertain', reason: 'stale' }));
  });
});

describe('the state of an edge node', () => {
  const everything = () => true;

  it('splits what is much, and leaves out what is over the limit', () => {
    const board = new Board();
    for (let i = 0; i < 1200; i++) board.set(`m-1.p${i}.q`, 0);
    const node = new EdgeNode({ group: 'g', node: 'n', maxMetrics: 1100, keep: 10 });
    const metrics = () => metricsOfView(board.view(), everything, 's');
    expect(node.births(metrics(), 0, 1)).toHaveLength(2);
    expect(node.leftOut).toBe(105);
    for (let i = 0; i < 1200; i++) board.set(`m-1.p${i}.q`, 1);
    const heard = node.changes(metrics(), 1)!.map(({ payload }) => Number(decodePayload(payload).seq));
    expect(heard).toHaveLength(3);
    for (let round = 0; round < 60; round++) {
      for (let point = 0; point < 1200; point += 240) board.set(`m-1.p${point}.q`, 2 + round);
      const [message, ...others] = node.changes(metrics(), 1)!;
      expect(others).toEqual([]);
      heard.push(Number(decodePayload(message!.payload).seq));
    }
    expect(heard).toEqual(heard.map((_, i) => i + 2));
  });

  it('counts its messages modulo 256', () => {
    const board = new Board();
    const node = new EdgeNode({ group: 'g', node: 'n', maxMetrics: 100, keep: 10 });
    const seqs: number[] = [];
    for (let value = 0; value < 600; value++) {
      board.set('m-1.q', value);
      const metrics = metricsOfView(board.view(), everything, 's');
      const messages = value === 0 ? node.births(metrics, 0, 1) : node.changes(metrics, 1)!;
      seqs.push(...messages.map(({ payload }) => Number(decodePayload(payload).seq)));
    }
    expect(seqs).toEqual(Array.from({ length: 601 }, (_, i) => i % 256));
  });

  it('keeps no more than it may, and drops the oldest', () => {
    const board = new Board();
    const node = new EdgeNode({ group: 'g', node: 'n', maxMetrics: 100, keep: 10 });
    const metrics = () => metricsOfView(board.view(), everything, 's');
    for (let value = 0; value < 100; value++) {
      board.set('m-1.q', value);
      node.hold(metrics(), 1);
    }
    expect(node.kept).toBeLessThanOrEqual(12);
    // Beside the values: four metrics of the node, the alarms of the machine.
    expect(node.kept + node.takeDropped()).toBe(105);
    node.births(metrics(), 0, 1);
    const told = node.historical(1, 20).flatMap(({ payload }) => decodePayload(payload).metrics ?? []);
    expect(told.at(-1)).toMatchObject({ value: 99, isHistorical: true });
    expect(node.kept).toBe(0);
  });
});

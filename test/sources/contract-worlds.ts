import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MqttClient } from 'mqtt';
import { ModbusServer } from '#sm/simulator/modbus/server.js';
import { SerialDeviceServer } from '#sm/simulator/serial/device-server.js';
import { audioPart } from '#sm/sources/audio/index.js';
import { folderPart } from '#sm/sources/folder/index.js';
import { isIngestDoor } from '#sm/sources/http/door.js';
import { httpPart } from '#sm/sources/http/index.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { mqttPart } from '#sm/sources/mqtt/index.js';
import type { Source, SourcePart } from '#sm/sources/part.js';
import { serialPart } from '#sm/sources/serial/index.js';
import { sparkplugPart } from '#sm/sources/sparkplug/index.js';
import { freePort } from '../support/free-port.js';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.js';
import { publisher } from './mqtt/support.js';
import { EdgeNode } from './sparkplug/edge-node.js';

/** What one kind of source listens to: a real far end that gives values, falls away and comes back. */
export interface World {
  readonly config: object;
  /** What comes: its point and unit. */
  readonly point: string;
  readonly unit: string;
  /** Gives one more value, where that does not come by itself. */
  feed(source: Source): void | Promise<void>;
  /** Gives something that cannot be used; absent where nothing comes that could be wrong. */
  spoil?(source: Source): void | Promise<void>;
  /** The far end falls away and comes back; absent where the source itself is the server. */
  readonly link?: { up(): Promise<void>; down(): Promise<void> };
  stop(): Promise<void>;
}

export interface Kind {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the config differs from part to part
  readonly part: SourcePart<any>;
  readonly available: boolean;
  /** The world with its far end absent, where it has one. */
  make(): Promise<World>;
}

/** Rising values, so that each can be told from the last. */
const counter = () => {
  let value = 0;
  return () => ++value;
};

async function modbusWorld(): Promise<World> {
  const next = counter();
  const port = await freePort();
  let server: ModbusServer | undefined;
  const down = async () => {
    server?.disconnectAll();
    await server?.stop();
    server = undefined;
  };
  return {
    config: {
      connection: { transport: 'tcp', host: '127.0.0.1', port, timeout: '200ms' },
      units: [
        {
          unitId: 1,
          interval: '50ms',
          points: [{ point: 'm.count', register: 'input', address: 0, type: 'uint16', unit: '1' }],
        },
      ],
    },
    point: 'm.count',
    unit: '1',
    feed: () => undefined,
    link: {
      up: async () => {
        server = new ModbusServer({ read: (_table, _unit, _address, count) => Array(count).fill(next()) });
        await server.start(port);
      },
      down,
    },
    stop: down,
  };
}

async function serialWorld(): Promise<World> {
  const next = counter();
  const port = await freePort();
  let server: SerialDeviceServer | undefined;
  const down = async () => {
    await server?.stop();
    server = undefined;
  };
  const send = (text: string) => server?.send(Buffer.from(text));
  return {
    config: {
      url: `tcp://127.0.0.1:${port}`,
      framing: { kind: 'line' },
      messages: [{ point: 'm.count', payload: { kind: 'number', unit: '1' } }],
    },
    point: 'm.count',
    unit: '1',
    feed: () => send(`${next()}\n`),
    spoil: () => send('warm\n'),
    link: {
      up: async () => {
        server = new SerialDeviceServer();
        await server.start(port);
      },
      down,
    },
    stop: down,
  };
}

async function mqttWorld(version: 4 | 5): Promise<World> {
  const next = counter();
  const broker = await Mosquitto.start();
  await broker.down();
  let client: MqttClient | undefined;
  const say = async (text: string) => void client?.publish('count', text, { qos: 1 });
  const down = async () => {
    await client?.endAsync(true);
    client = undefined;
    await broker.down();
  };
  return {
    config: {
      broker: { url: broker.url, version },
      subscriptions: [{ filter: 'count', point: 'm.count', payload: { kind: 'number', unit: '1' } }],
    },
    point: 'm.count',
    unit: '1',
    feed: () => say(String(next())),
    spoil: () => say('warm'),
    link: {
      up: async () => {
        await broker.up();
        client = await publisher(broker.url);
      },
      down,
    },
    stop: async () => {
      await down();
      await broker.stop();
    },
  };
}

async function embeddedWorld(): Promise<World> {
  const next = counter();
  let client: MqttClient | undefined;
  const say = async (source: Source, text: string) => {
    const { address } = source as unknown as { address?: { port: number } };
    if (address === undefined) return;
    client ??= await publisher(`mqtt://127.0.0.1:${address.port}`);
    client.publish('count', text, { qos: 1 });
  };
  return {
    config: {
      broker: { embedded: { listen: '127.0.0.1:0' } },
      subscriptions: [{ filter: 'count', point: 'm.count', payload: { kind: 'number', unit: '1' } }],
    },
    point: 'm.count',
    unit: '1',
    feed: (source) => say(source, String(next())),
    spoil: (source) => say(source, 'warm'),
    stop: async () => void (await client?.endAsync(true)),
  };
}

async function sparkplugWorld(): Promise<World> {
  const next = counter();
  const broker = await Mosquitto.start();
  await broker.down();
  let node: EdgeNode | undefined;
  const down = async () => {
    await node?.die();
    node = undefined;
    await broker.down();
  };
  return {
    config: {
      broker: { url: broker.url, version: 4 },
      rebirthInterval: '100ms',
      metrics: [{ metric: '{quantity}', device: 'm', point: '{device}.{quantity}', unit: '1' }],
    },
    point: 'm.count',
    unit: '1',
    feed: () => node?.data([{ name: 'count', type: 'Int32', value: next() }], 'm'),
    link: {
      up: async () => {
        await broker.up();
        node = await EdgeNode.connect(broker.url, 'edge', [], {
          m: [{ name: 'count', type: 'Int32', value: 0 }],
        });
        node.born();
      },
      down,
    },
    stop: async () => {
      await down();
      await broker.stop();
    },
  };
}

async function httpWorld(): Promise<World> {
  const next = counter();
  const post = async (source: Source, value: unknown) => {
    if (isIngestDoor(source)) await source.ingest({ point: 'm.count', value, unit: '1' }, undefined);
  };
  return {
    config: {},
    point: 'm.count',
    unit: '1',
    feed: (source) => post(source, next()),
    // Whoever posted it is told.
    spoil: (source) => post(source, 'warm').catch(() => undefined),
    stop: async () => undefined,
  };
}

async function folderWorld(): Promise<World> {
  const next = counter();
  const root = mkdtempSync(path.join(tmpdir(), 'sm-edge-contract-'));
  const folder = path.join(root, 'in');
  const put = (text: string) => {
    if (!existsSync(folder)) return;
    const name = `${String(next()).padStart(6, '0')}.json`;
    writeFileSync(path.join(folder, `${name}.tmp`), text);
    renameSync(path.join(folder, `${name}.tmp`), path.join(folder, name));
  };
  return {
    config: {
      path: folder,
      interval: '50ms',
      settle: '0ms',
      files: [
        {
          kind: 'payload',
          match: '*.json',
          point: 'm.count',
          payload: { kind: 'json', value: '$.v', time: { path: '$.t', unit: 'ms' }, unit: '1' },
        },
      ],
    },
    point: 'm.count',
    unit: '1',
    feed: () => put(JSON.stringify({ v: next(), t: Date.now() })),
    spoil: () => put('warm'),
    link: {
      up: async () => void mkdirSync(folder, { recursive: true }),
      // Away at once: what is removed file by file may get another one from the source meanwhile.
      down: async () => renameSync(folder, path.join(root, `gone-${next()}`)),
    },
    stop: async () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Stands in for arecord where no sound card is: writes a WAV heading and samples until the file `gone` appears. */
const RECORDER = `#!${process.execPath}
import { existsSync } from 'node:fs';
const gone = import.meta.dirname + '/gone';
const option = (flag) => process.argv[process.argv.indexOf(flag) + 1];
if (existsSync(gone)) { console.error('arecord: main:831: audio open error: No such file or directory'); process.exit(1); }
const rate = Number(option('-r'));
const head = Buffer.alloc(44);
head.write('RIFF'); head.writeUInt32LE(0x7fffffff, 4); head.write('WAVEfmt ', 8);
head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
head.writeUInt32LE(rate, 24); head.writeUInt32LE(rate * 2, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34);
head.write('data', 36); head.writeUInt32LE(0x7fffffff, 40);
process.stdout.write(head);
let sample = 0;
setInterval(() => {
  if (existsSync(gone)) process.exit(1);
  const bytes = Buffer.alloc(rate / 50 * 2);
  for (let i = 0; i < bytes.length; i += 2) bytes.writeInt16LE((sample++ * 37) % 20000, i);
  process.stdout.write(bytes);
}, 20);
`;

async function audioWorld(): Promise<World> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-contract-'));
  const program = path.join(folder, 'arecord');
  const gone = path.join(folder, 'gone');
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(program, RECORDER);
  chmodSync(program, 0o755);
  writeFileSync(gone, '');
  return {
    config: {
      device: 'hw:0',
      program,
      sampleRateHz: 8_000,
      point: 'm.sound-pressure',
      unit: 'Pa',
      block: '20ms',
      // A recorder that takes its time to start is not silent.
      silence: '60s',
    },
    point: 'm.sound-pressure',
    unit: 'Pa',
    feed: () => undefined,
    link: {
      up: async () => rmSync(gone, { force: true }),
      down: async () => writeFileSync(gone, ''),
    },
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Every kind of source: one line here, and the whole contract holds for it. */
export const KINDS: readonly Kind[] = [
  { name: 'modbus', part: modbusPart, available: true, make: modbusWorld },
  { name: 'serial', part: serialPart, available: true, make: serialWorld },
  { name: 'mqtt 3.1.1', part: mqttPart, available: hasMosquitto(), make: () => mqttWorld(4) },
  { name: 'mqtt 5', part: mqttPart, available: hasMosquitto(), make: () => mqttWorld(5) },
  { name: 'mqtt, embedded broker', part: mqttPart, available: true, make: embeddedWorld },
  { name: 'sparkplug', part: sparkplugPart, available: hasMosquitto(), make: sparkplugWorld },
  { name: 'http', part: httpPart, available: true, make: httpWorld },
  { name: 'folder', part: folderPart, available: true, make: folderWorld },
  { name: 'audio', part: audioPart, available: true, make: audioWorld },
];

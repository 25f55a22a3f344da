import { readdirSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeWav } from '#sm/signals/wav.js';
import { ModbusServer } from '#sm/simulator/modbus/server.js';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { Daemon, eventually, smEdge } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { NUMBERED_HEADER, numbered } from '../support/numbered.js';
import { Stored } from '../support/stored.js';

/** What was started by a test, in the order in which it is to end. */
const toEnd: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

async function daemonWith(sections: string): Promise<Daemon> {
  const daemon = await Daemon.create(sections);
  toEnd.push(() => daemon.remove());
  return daemon;
}

/** A machine whose register 0 counts how often it was read. It shares this process: its answers may be late. */
async function modbusServer(port = 0): Promise<{ port: number; stop(): Promise<void> }> {
  let reads = 0;
  const server = new ModbusServer({
    read: (_table, _unit, _address, count) => Array(count).fill(++reads % 100),
  });
  const listening = await server.start(port);
  const stop = () => server.stop();
  toEnd.unshift(stop);
  return { port: listening.port, stop };
}

const modbusSource = (port: number) => `
  - id: bus
    type: modbus
    connection: { transport: tcp, host: 127.0.0.1, port: ${port}, timeout: 30s }
    units:
      - unitId: 1
        interval: 100ms
        points:
          - { point: pump-1.shaft.speed, register: input, address: 0, type: uint16, unit: rpm }`;

interface Part {
  readonly part: string;
  readonly state: string;
  readonly reason: string;
}

const health = (daemon: Daemon) => daemon.json<{ state: string; parts: Part[] }>('/health');
const partOf = async (daemon: Daemon, name: string) =>
  (await health(daemon)).parts.find(({ part }) => part === name);
const inState = (daemon: Daemon, name: string, state: string) =>
  eventually(`${name} is ${state}`, async () => {
    const part = await partOf(daemon, name);
    return part?.state === state ? part : undefined;
  });

/** Lines of the log from `warn` up that tell of something. */
const complaints = (daemon: Daemon, about: RegExp = /./): Record<string, unknown>[] =>
  daemon.log
    .split('\n')
    .filter((line) => line.startsWith('{') && about.test(line))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ level }) => ['warn', 'error', 'fatal'].includes(String(level)));

/** Rows on the disk: what is only counted is not stored yet. */
function stored(daemon: Daemon): { readings: number; blocks: number } {
  const view = new Stored(join(daemon.dataDir, DATABASE_FILE));
  try {
    const blocks = view.db.prepare('SELECT count(*) FROM waveforms').pluck().get() as number;
    return { readings: view.readings().length, blocks };
  } finally {
    view.close();
  }
}

const goesOn = async (daemon: Daemon, more = 5) => {
  const before = stored(daemon).readings;
  await eventually('readings are still stored', () =>
    stored(daemon).readings >= before + more ? true : undefined,
  );
};

describe('a daemon with a fault', () => {
  it('an unreachable broker: one line, counted attempts, a reason; the other source goes on', async () => {
    const { port } = await modbusServer();
    const brokerPort = await freePort();
    const daemon = await daemonWith(`
sources:${modbusSource(port)}
  - id: plant
    type: mqtt
    broker: { url: "mqtt://127.0.0.1:${brokerPort}" }
    subscriptions:
      - { filter: a/b, point: m.b.temperature, payload: { kind: json, value: $.v, unit: degC } }
`);
    await daemon.start();
    await inState(daemon, 'source bus', 'good');
    const part = await eventually('the source says why', async () => {
      const found = await partOf(daemon, 'source plant');
      return found?.reason ? found : undefined;
    });
    expect(part.state).toMatch(/degraded|failed/);
    expect(part.reason).toContain(`127.0.0.1:${brokerPort}`);
    expect((await health(daemon)).state).toBe('degraded');
    await eventually('several attempts', async () =>
      (await daemon.metric('sm_edge_mqtt_connection_losses_total', /plant/)) >= 3 ? true : undefined,
    );
    await goesOn(daemon);
    expect(complaints(daemon)).toMatchObject([{ source: 'plant' }]);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });

  it('broken payloads: counted, a line for each topic; what is sound between them is stored', async () => {
    const brokerPort = await freePort();
    const daemon = await daemonWith(`
sources:
  - id: plant
    type: mqtt
    broker: { embedded: { listen: "127.0.0.1:${brokerPort}" } }
    subscriptions:
      - { filter: "plant/{m}/temperature", point: "{m}.temperature", payload: { kind: json, value: $.v, unit: degC } }
      - filter: "plant/{m}/vibration"
        point: "{m}.de.acceleration"
        payload: { kind: waveform, encoding: float32le, sampleRateHz: 1000, unit: g }
`);
    await daemon.start();
    const client: MqttClient = await connectAsync(`mqtt://127.0.0.1:${brokerPort}`);
    toEnd.unshift(() => client.endAsync());
    for (let n = 0; n < 20; n++) {
      await client.publishAsync('plant/p/temperature', n % 2 === 0 ? '{"v": 41}' : '{"v": garb', { qos: 1 });
      await client.publishAsync('plant/p/vibration', Buffer.alloc(n % 2 === 0 ? 400 : 401), { qos: 1 });
    }
    await eventually('the broken ones are counted', async () =>
      (await daemon.metric('sm_edge_mqtt_unusable_messages_total', /payload/)) === 20 ? true : undefined,
    );
    await eventually('the sound ones are stored', () => {
      const { readings, blocks } = stored(daemon);
      return readings === 10 && blocks === 10 ? true : undefined;
    });
    const told = complaints(daemon);
    expect(told.length).toBeGreaterThan(0);
    // However often they come.
    expect(told.length).toBeLessThanOrEqual(2);
    for (const line of told) expect(JSON.stringify(line)).toMatch(/plant\/p\/(temperature|vibration)/);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });

  it.each([
    ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['garbled', (bytes: Buffer) => bytes.fill(0x5a, bytes.length / 2)],
  ])('a %s ONNX file: said once and shown, the point is analysed all the same', async (_how, spoil) => {
    const brokerPort = await freePort();
    const daemon = await daemonWith(`
models: { default: pump-vibration }
sources:
  - id: plant
    type: mqtt
    broker: { embedded: { listen: "127.0.0.1:${brokerPort}" } }
    subscriptions:
      - filter: "plant/{m}/vibration"
        point: "{m}.de.acceleration"
        payload: { kind: waveform, encoding: float32le, sampleRateHz: 12000, unit: g, ${NUMBERED_HEADER} }
`);
    const model = join(daemon.dataDir, 'models/pump-vibration/1');
    await mkdir(model, { recursive: true });
    await cp(resolve(import.meta.dirname, '../../models/vibration-anomaly/1'), model, { recursive: true });
    const manifest = join(model, 'manifest.json');
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, text.replace('"vibration-anomaly"', '"pump-vibration"'));
    const onnx = join(model, 'model.onnx');
    await writeFile(onnx, spoil(await readFile(onnx)));
    await daemon.start();
    const client = await connectAsync(`mqtt://127.0.0.1:${brokerPort}`);
    toEnd.unshift(() => client.endAsync());
    // Seven seconds at once: no more than the ring holds while the first window waits for its plan.
    for (let n = 0; n < 20; n++) {
      const noise = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i * 12.9898 + n) * 0.1);
      await client.publishAsync('plant/p/vibration', numbered(n, noise), { qos: 1 });
    }
    await eventually('windows are analysed all the same', async () =>
      (await daemon.metric('sm_edge_pipeline_windows_total')) >= 1 ? true : undefined,
    );
    // A window is counted before its model is loaded, and the log comes by a pipe: both have a deadline.
    await eventually('it is said', () => (complaints(daemon).length > 0 ? true : undefined));
    expect(complaints(daemon).map(({ msg }) => msg)).toEqual(['a model is broken and not used']);
    expect(await daemon.metric('sm_edge_models_faults_total')).toBe(1);
    const part = await partOf(daemon, 'models');
    expect(part).toMatchObject({ state: 'degraded' });
    expect(part!.reason).toContain('pump-vibration/1');
    expect(await daemon.metric('sm_edge_pipeline_windows_failed_total')).toBe(0);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });

  it('a Modbus server that goes away and comes back', async () => {
    // Not one that others may be given while nobody listens there.
    const gone = await modbusServer(await freePort());
    const other = await modbusServer();
    const daemon = await daemonWith(
      `sources:${modbusSource(gone.port)}${modbusSource(other.port).replace('bus', 'other').replace('pump-1', 'pump-2')}\n`,
    );
    await daemon.start();
    await inState(daemon, 'source bus', 'good');
    await inState(daemon, 'source other', 'good');
    await gone.stop();
    const part = await eventually('the source is degraded', async () => {
      const found = await partOf(daemon, 'source bus');
      return found !== undefined && found.state !== 'good' ? found : undefined;
    });
    expect(part.reason).not.toBe('');
    await eventually('failed attempts are counted', async () =>
      (await daemon.metric('sm_edge_modbus_connection_losses_total', /"bus"/)) >= 2 ? true : undefined,
    );
    await goesOn(daemon);
    expect((await partOf(daemon, 'source other'))!.state).toBe('good');
    await modbusServer(gone.port);
    await inState(daemon, 'source bus', 'good');
    const read = () => daemon.metric('sm_edge_modbus_requests_total', /"bus"/);
    const before = await read();
    await eventually('it is read again', async () => ((await read()) > before ? true : undefined));
    // The loss, and that nothing listens there: each way in which it fails once, however many attempts there are.
    const told = complaints(daemon, /"source":"bus"/).map(({ msg }) => String(msg));
    expect(told.length).toBeLessThanOrEqual(2);
    expect(new Set(told).size).toBe(told.length);
    expect(told[0]).toMatch(/link lost/);
    expect(complaints(daemon, /"source":"other"/)).toEqual([]);
  });
});

describe('a daemon that cannot start', () => {
  it('an HTTP port that is taken: one error with a hint, exit 1', async () => {
    const daemon = await daemonWith('sources: []\n');
    const holder: Server = createServer();
    await new Promise<void>((done) =>
      holder.listen(Number(new URL(daemon.base).port), '127.0.0.1', () => done()),
    );
    toEnd.unshift(() => new Promise((done) => holder.close(done)));
    const { code, stderr } = await smEdge(['run', '--config', daemon.config]);
    expect(code).toBe(1);
    const told = stderr.split('\n').filter((line) => line.startsWith('sm-edge:'));
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(new URL(daemon.base).port);
    expect(stderr).toContain('http.listen');
  });

  it('a second daemon on the same data folder: one error, and the first goes on', async () => {
    const { port } = await modbusServer();
    const first = await daemonWith(`sources:${modbusSource(port)}\n`);
    await first.start();
    const config = join(first.folder, 'second.yaml');
    const text = await readFile(first.config, 'utf8');
    await writeFile(config, text.replace(/listen: .* }/, 'listen: "127.0.0.1:0" }'));
    const { code, stderr } = await smEdge(['run', '--config', config]);
    expect(code).toBe(1);
    const told = stderr.split('\n').filter((line) => line.startsWith('sm-edge:'));
    expect(told).toEqual([`sm-edge: another sm-edge uses the data folder ${first.dataDir}`]);
    await goesOn(first);
    expect((await health(first)).state).toBe('good');
    // The lock goes with the process, however it ends.
    await first.end('SIGKILL');
    await first.start();
    expect((await first.end('SIGTERM')).code).toBe(0);
  });

  it('a damaged database: set aside, said, shown, and a new one begun', async () => {
    const { port } = await modbusServer();
    const daemon = await daemonWith(`sources:${modbusSource(port)}\n`);
    await daemon.start();
    await goesOn(daemon);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
    const file = join(daemon.dataDir, DATABASE_FILE);
    const bytes = await readFile(file);
    // The second half of the pages, as a card leaves them whose flash wears out.
    bytes.fill(0xa5, 4096);
    await writeFile(file, bytes);
    await daemon.start();
    const part = await partOf(daemon, 'storage');
    expect(part).toMatchObject({ state: 'degraded' });
    expect(part!.reason).toContain('.damaged-');
    // Once when it was found, and once when it was read to its end. The log comes by a pipe, later than the answer.
    await eventually('it is said', () => complaints(daemon, /is set aside as/)[0]);
    const aside = readdirSync(daemon.dataDir).find((name) => /\.damaged-[^.]*$/.test(name));
    expect(await readFile(join(daemon.dataDir, aside!))).toEqual(bytes);
    await goesOn(daemon);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});

describe('a truncated WAV', () => {
  it.each(['features', 'replay'])('%s: one clear error, exit 1', async (verb) => {
    const daemon = await daemonWith('sources: []\n');
    const set = join(daemon.folder, 'set');
    await mkdir(set);
    const whole = encodeWav({
      sampleRateHz: 12_000,
      channels: 1,
      samples: Float32Array.from({ length: 12_000 }, (_, i) => Math.sin(i * 0.1)),
    });
    const file = join(set, 'cut.wav');
    await writeFile(file, whole.subarray(0, whole.length / 2));
    await writeFile(
      join(set, 'manifest.json'),
      JSON.stringify({
        format: 'recording-set/1',
        name: 'cut',
        recordings: [{ file: 'cut.wav', point: 'm.de.acceleration', quantity: 'acceleration', unit: 'g' }],
      }),
    );
    const target = verb === 'features' ? file : set;
    const { code, stderr, stdout } = await smEdge([verb, target]);
    expect(code).toBe(1);
    expect(stderr.split('\n').filter((line) => line.startsWith('sm-edge:'))).toHaveLength(1);
    expect(stderr).toContain('cut.wav');
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).not.toContain('"kind":"summary"');
    const asJson = await smEdge([verb, target, '--json']);
    expect(asJson.code).toBe(1);
    const last = asJson.stdout.trim().split('\n').at(-1)!;
    expect(JSON.parse(last)).toMatchObject({
      ok: false,
      error: { code: expect.stringMatching(/WAV|RECORD/) },
    });
  });
});

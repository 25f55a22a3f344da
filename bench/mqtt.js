// CPU cost of a message over MQTT. `to: sink`: through the source alone, to a sink that takes everything at once.
// `to: store`: through a whole gateway, to the disk (JSON) or to the ring (waveforms). Needs mosquitto for the rows of
// an external broker.
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { systemRandom } from '#sm/base/random.js';
import { parseConfig } from '#sm/config/load.js';
import { Gateway } from '#sm/gateway.js';
import { mqttPart } from '#sm/sources/mqtt/index.js';

const JSON_MESSAGE = Buffer.from(
  JSON.stringify({ value: 61.5, ts: 1750000000123, unit: 'degC', machine: 'pump-1', status: 'ok' }).padEnd(
    100,
  ),
);
const WAVEFORM = Buffer.from(Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i / 10)).buffer);
const KINDS = {
  'json 100 B': { payload: JSON_MESSAGE, topic: 'plant/pump-1/temperature', messages: 40_000 },
  'waveform 16 KiB': { payload: WAVEFORM, topic: 'plant/pump-1/vibration', messages: 8_000 },
};

/** The publisher, in a process of its own: a window of messages under way, so that no queue of a broker overflows. */
async function publish() {
  const { default: mqtt } = await import('mqtt');
  process.on('message', async ({ url, kind, qos, messages }) => {
    const { payload, topic } = KINDS[kind];
    const client = await mqtt.connectAsync(url, { protocolVersion: 4 });
    for (let sent = 0; sent < messages; ) {
      const window = Math.min(qos === 0 ? 200 : 50, messages - sent);
      await Promise.all(Array.from({ length: window }, () => client.publishAsync(topic, payload, { qos })));
      sent += window;
    }
    await client.endAsync();
    process.send('done');
  });
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const SUBSCRIPTIONS = (qos) => [
  {
    filter: 'plant/{machine}/temperature',
    point: '{machine}.temperature',
    qos,
    payload: { kind: 'json', value: '$.value', time: { path: '$.ts', unit: 'ms' }, unit: 'degC' },
  },
  {
    filter: 'plant/{machine}/vibration',
    point: '{machine}.acceleration',
    qos,
    payload: { kind: 'waveform', encoding: 'float32le', sampleRateHz: 25_600, unit: 'g' },
  },
];

async function measure(publisher, kind, broker, url, qos) {
  let received = 0;
  const count = (batch) => {
    received += (batch.readings?.length ?? 0) + (batch.blocks?.length ?? 0);
  };
  const source = await mqttPart.create(
    mqttPart.configSchema.parse({ id: 'bench', type: 'mqtt', broker, subscriptions: SUBSCRIPTIONS(qos) }),
    {
      gatewayId: 'bench',
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics: new Metrics(),
      sink: { offer: count, deliver: async (batch) => count(batch) },
      onStatus: () => undefined,
    },
  );
  await source.start();
  await until(() => source.status.state === 'good');
  const target = url ?? `mqtt://127.0.0.1:${source.address.port}`;
  const { messages } = KINDS[kind];
  const run = (n) => {
    received = 0;
    publisher.send({ url: target, kind, qos, messages: n });
    return until(() => received >= n);
  };
  await run(messages / 10);
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await run(messages);
  const { user, system } = process.cpuUsage(cpu);
  const durationS = (performance.now() - startMs) / 1000;
  await source.stop();
  return {
    broker: url === undefined ? 'embedded' : 'mosquitto',
    kind,
    to: 'sink',
    qos,
    cpuUsPerMessage: Number(((user + system) / messages).toFixed(1)),
    messagesPerSecond: Math.round(messages / durationS),
  };
}

/** CPU time of the main thread, microseconds (proc(5): utime and stime, in ticks of 10 ms). */
function mainThreadUs() {
  const fields = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** The same through a whole gateway: intake, board, alarms, store; features and scores are made in other threads. */
async function measureGateway(publisher, kind, url, qos) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-gateway-'));
  const text = JSON.stringify({
    gateway: { id: 'bench' },
    storage: { path: folder },
    sources: [{ id: 'bench', type: 'mqtt', broker: { url, version: 4 }, subscriptions: SUBSCRIPTIONS(qos) }],
  });
  const { config, hash } = parseConfig('bench.yaml', text, {});
  const gateway = new Gateway({
    config,
    configHash: hash,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  await gateway.start();
  const taken = () => {
    const [source] = gateway.snapshot().sources;
    return source.readings + source.blocks;
  };
  await until(() => gateway.snapshot().sources[0]?.state === 'good');
  const { messages } = KINDS[kind];
  const run = async (n) => {
    const wanted = taken() + n;
    publisher.send({ url, kind, qos, messages: n });
    await until(() => taken() >= wanted);
  };
  await run(messages / 4);
  const cpu = process.cpuUsage();
  const mainUs = mainThreadUs();
  const startMs = performance.now();
  await run(messages);
  const { user, system } = process.cpuUsage(cpu);
  const durationS = (performance.now() - startMs) / 1000;
  const ofMainUs = mainThreadUs() - mainUs;
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
  return {
    broker: 'mosquitto',
    kind,
    to: kind.startsWith('json') ? 'store' : 'ring',
    qos,
    cpuUsPerMessage: Number(((user + system) / messages).toFixed(1)),
    mainThreadUsPerMessage: Number((ofMainUs / messages).toFixed(1)),
    messagesPerSecond: Math.round(messages / durationS),
  };
}

export async function bench() {
  const publisher = fork(fileURLToPath(import.meta.url), ['publish']);
  const results = [];
  const mosquitto = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find((file) => existsSync(file));
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-'));
  let child;
  let url;
  if (mosquitto !== undefined) {
    const port = await freePort();
    const config = path.join(folder, 'mosquitto.conf');
    writeFileSync(
      config,
      `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n`,
    );
    child = spawn(mosquitto, ['-c', config], { stdio: 'ignore' });
    url = `mqtt://127.0.0.1:${port}`;
  }
  for (const kind of Object.keys(KINDS)) {
    for (const qos of [0, 1]) {
      if (url !== undefined) results.push(await measure(publisher, kind, { url }, url, qos));
      // The cost is measured, not the limit on one client's rate.
      const embedded = { embedded: { listen: '127.0.0.1:0', maxRate: 1_000_000 } };
      results.push(await measure(publisher, kind, embedded, undefined, qos));
      if (url !== undefined) results.push(await measureGateway(publisher, kind, url, qos));
    }
  }
  publisher.kill();
  child?.kill();
  rmSync(folder, { recursive: true, force: true });
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === 'publish') await publish();

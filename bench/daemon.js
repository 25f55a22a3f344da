// The whole daemon: time from start to ready, resident memory and CPU with four vibration channels at 25.6 kHz.
import { connectAsync } from 'mqtt';
import { freePort, median, startDaemon } from './support/daemon.js';

const STARTS = 7;
const CHANNELS = 4;
const SAMPLE_RATE_HZ = 25_600;
const BLOCK = 2560;
const LOAD_S = 60;

const configFor =
  (brokerPort) =>
  ({ dataDir, httpPort }) =>
    `
gateway: { id: bench, site: bench }
log: { level: warn }
storage: { path: ${dataDir}, budget: 1GiB }
http: { listen: 127.0.0.1:${httpPort} }
sources:
  - id: plant
    type: mqtt
    broker: { embedded: { listen: 127.0.0.1:${brokerPort} } }
    subscriptions:
      - filter: bench/{machine}/vibration
        qos: 1
        point: "{machine}.bearing-de.acceleration"
        payload: { kind: waveform, encoding: float32le, sampleRateHz: ${SAMPLE_RATE_HZ}, unit: g }
machines:
${Array.from({ length: CHANNELS }, (_, i) => `  - { id: pump-${i}, class: pump, nameplate: { speedRpm: 1780, bearings: { bearing-de: "6205" } } }`).join('\n')}
`;

async function load(brokerPort, seconds) {
  const client = await connectAsync(`mqtt://127.0.0.1:${brokerPort}`, {
    protocolVersion: 4,
    clientId: 'bench',
  });
  const samples = new Float32Array(BLOCK);
  const startMs = performance.now();
  let phase = 0;
  let blocks = 0;
  while (performance.now() - startMs < seconds * 1000) {
    const dueBlocks = Math.floor(((performance.now() - startMs) / 1000) * (SAMPLE_RATE_HZ / BLOCK));
    for (; blocks < dueBlocks; blocks++) {
      for (let i = 0; i < BLOCK; i++, phase++) {
        samples[i] =
          0.2 * Math.sin((2 * Math.PI * 29.67 * phase) / SAMPLE_RATE_HZ) + 0.1 * (Math.random() - 0.5);
      }
      const payload = Buffer.from(samples.buffer.slice(0));
      await Promise.all(
        Array.from({ length: CHANNELS }, (_, i) =>
          client.publishAsync(`bench/pump-${i}/vibration`, payload, { qos: 1 }),
        ),
      );
    }
    await new Promise((done) => setTimeout(done, 10));
  }
  await client.endAsync();
  return blocks * CHANNELS;
}

export async function bench() {
  const brokerPort = await freePort();
  const readyMs = [];
  for (let i = 0; i < STARTS; i++) {
    const daemon = await startDaemon(configFor(brokerPort));
    readyMs.push(daemon.readyMs);
    await daemon.stop();
  }
  const daemon = await startDaemon(configFor(brokerPort));
  try {
    return {
      startToReadyMs: { median: median(readyMs), all: readyMs.map(Math.round), target: 1500 },
      ...(await underLoad(daemon, brokerPort)),
    };
  } finally {
    await daemon.stop();
  }
}

async function underLoad(daemon, brokerPort) {
  const cpuBeforeS = daemon.cpuS();
  const resident = [];
  const sampling = setInterval(() => resident.push(daemon.memory().residentMb), 1000);
  const blocks = await load(brokerPort, LOAD_S);
  clearInterval(sampling);
  const cpuShare = (daemon.cpuS() - cpuBeforeS) / LOAD_S;
  const memory = daemon.memory();
  const metrics = await (await fetch(`${daemon.base}/metrics`)).text();
  const counter = (name) =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  const analysed = counter('sm_edge_pipeline_windows_total');
  const skipped = counter('sm_edge_pipeline_windows_skipped_total');
  const { exitCode, stopMs } = await daemon.stop();
  return {
    residentMb: {
      median: median(resident),
      atEnd: memory.residentMb,
      highest: memory.highestMb,
      target: 180,
    },
    load: {
      channels: CHANNELS,
      sampleRateHz: SAMPLE_RATE_HZ,
      seconds: LOAD_S,
      blocks,
      windows: analysed,
      windowsSkipped: skipped,
    },
    cpuCores: cpuShare,
    stop: { exitCode, milliseconds: stopMs, target: 10_000 },
  };
}

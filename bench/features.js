// The signal core against its peers, on one core in one run: the feature vector of a block against numpy and scipy,
// log-mel against librosa, the FFT against FFTW; then the load of many channels and the memory of a long run.
//   node bench/run.js features          SM_EDGE_BENCH_MINUTES=60: memory over another time than ten minutes
// SM_EDGE_TEST_VENV names the Python environment (scripts/test-servers.sh); FFTW needs cc and libfftw3-dev. A peer
// that is missing is left out, and said so.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createExtractor } from '#sm/features/extractor.js';
import { loadFft, RealFft } from '#sm/features/fft.js';
import { createLogMel } from '#sm/features/log-mel.js';
import { SampleRing } from '#sm/signals/ring-buffer.js';

const PEERS = path.join(import.meta.dirname, 'peers');
const BLOCK = 16_384;
const RATE = 25_600;
const RUNS = 400;
const TURNS = 5;
/** How long a Python peer measures in one turn. */
const PEER_SECONDS = '0.8';
/** Memory is watched over so many minutes of one channel at 25.6 kHz with 50 % overlap. */
const MINUTES = Number(process.env.SM_EDGE_BENCH_MINUTES ?? 10);
const LONG_RUN_BLOCKS = (60 * MINUTES * RATE * 2) / BLOCK;
/** FFTW's plans of all lengths between the two that are asked for. */
const LENGTHS = [1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

const spec = {
  sampleRateHz: RATE,
  blockLength: BLOCK,
  unit: 'g',
  quantity: 'acceleration',
  speedRpm: 1780,
  bearing: { balls: 9, ballDiameterMm: 7.94, pitchDiameterMm: 39.04, contactAngleDeg: 0 },
};

const noise = (length) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 0.03) + 0.3 * (Math.random() + Math.random() - 1));

/** Short things are timed in the quiet moments of a shared machine, here and in fftw.c: the lowest decile of the runs. */
const QUIET_SHARE = 0.1;

function quietUs(run, runs) {
  for (let i = 0; i < runs / 4; i++) run();
  const times = [];
  for (let i = 0; i < runs; i++) {
    const startMs = performance.now();
    run();
    times.push((performance.now() - startMs) * 1000);
  }
  return times.sort((a, b) => a - b)[Math.floor(runs * QUIET_SHARE)];
}

/** CPU time of one run, µs, of all threads: what others do on the machine does not count, here and in the peers. */
function cpuUs(run) {
  for (let i = 0; i < RUNS / 4; i++) run();
  const start = process.cpuUsage();
  for (let i = 0; i < RUNS; i++) run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / RUNS;
}

function python(script, ...args) {
  const venv = process.env.SM_EDGE_TEST_VENV ?? path.join(homedir(), '.cache', 'sm-edge', 'venv');
  const program = path.join(venv, 'bin', 'python');
  if (!existsSync(program)) return { missing: `${program} (scripts/test-servers.sh)` };
  const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', NUMBA_NUM_THREADS: '1' };
  return JSON.parse(execFileSync(program, [path.join(PEERS, script), ...args], { env, encoding: 'utf8' }));
}

function fftw() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-fftw-'));
  try {
    const program = path.join(folder, 'fftw');
    execFileSync('cc', ['-O2', path.join(PEERS, 'fftw.c'), '-lfftw3f', '-lm', '-o', program], {
      stdio: 'pipe',
    });
    const lines = execFileSync(program, { encoding: 'utf8' }).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ').map(Number)));
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const rounded = (value) => Number(value.toFixed(2));

/** Peers take turns, so that a slow spell of the machine meets all of them; the ratios of the turns count. */
function inTurns(ours, peer) {
  const turns = Array.from({ length: TURNS }, () => ({ oursUs: ours(), peer: peer() }));
  const first = turns[0].peer;
  const oursUs = rounded(median(turns.map((turn) => turn.oursUs)));
  if (first.us === undefined) return { oursUs, peer: first };
  const peerUs = rounded(median(turns.map((turn) => turn.peer.us)));
  const timesFaster = rounded(median(turns.map((turn) => turn.peer.us / turn.oursUs)));
  return { oursUs, peer: { ...first, us: peerUs }, timesFaster };
}

async function vector() {
  const extractor = await createExtractor(spec);
  const block = noise(BLOCK);
  const found = inTurns(
    () => cpuUs(() => extractor.extract(block)),
    () => python('features.py', String(BLOCK), PEER_SECONDS),
  );
  extractor.close();
  return { features: extractor.names.length, ...found };
}

async function logMel() {
  const length = 160_000;
  const options = { sampleRateHz: 16_000, transformLength: 1024, hop: 512, count: 40 };
  const spectrogram = createLogMel(await loadFft(), length, options);
  const sound = noise(length);
  const found = inTurns(
    () => cpuUs(() => spectrogram.compute(sound)),
    () => python('logmel.py', PEER_SECONDS),
  );
  spectrogram.close();
  return found;
}

/** µs of one transform in a library: the plan is made once, the data stay finite. */
function transformUs(library, length) {
  const fft = new RealFft(library, length);
  const repeat = Math.ceil(100_000 / length);
  fft.data.set(noise(length));
  const round = () => {
    for (let i = 0; i < repeat; i++) fft.forward();
    // The transform is not scaled: bring the numbers back, or they overflow after some hundred rounds.
    fft.data.fill(1e-3);
  };
  const total = quietUs(round, 200);
  fft.close();
  return total / repeat;
}

async function transforms() {
  const library = await loadFft();
  const pffft = {
    ...library,
    get HEAPF32() {
      return library.HEAPF32;
    },
    kernels: undefined,
  };
  const turns = Array.from({ length: TURNS }, () => {
    const peer = fftw();
    return LENGTHS.map((length) => ({
      oursUs: transformUs(library, length),
      pffftUs: transformUs(pffft, length),
      fftwUs: peer?.get(length),
    }));
  });
  const found = LENGTHS.map((length, i) => {
    const of = (pick) => rounded(median(turns.map((turn) => pick(turn[i]))));
    const ours = { oursUs: of((one) => one.oursUs), pffftUs: of((one) => one.pffftUs) };
    if (turns[0][i].fftwUs === undefined) return [length, ours];
    return [
      length,
      { ...ours, fftwUs: of((one) => one.fftwUs), ratio: of((one) => one.oursUs / one.fftwUs) },
    ];
  });
  const missing = found.every(([, one]) => one.ratio === undefined);
  return {
    sizes: Object.fromEntries(found),
    ...(missing ? { missing: 'FFTW (cc and libfftw3-dev)' } : {}),
  };
}

/**
 * Real time: every channel a ring of its own that half a block is written to, then a window of a whole block read from
 * it without a copy and analysed. Share of one core in real time, and CPU time per sample that came in.
 */
async function channels() {
  const loads = {};
  for (const count of [1, 4, 16, 64]) {
    const machines = await Promise.all(
      Array.from({ length: count }, async (_, i) => ({
        extractor: await createExtractor({ ...spec, speedRpm: 1780 + i }),
        ring: SampleRing.create(4 * BLOCK, BLOCK),
        half: noise(BLOCK / 2),
      })),
    );
    const round = () => {
      for (const { extractor, ring, half } of machines) {
        ring.write(half);
        const from = ring.written - BLOCK;
        if (from < 0) continue;
        extractor.extract(ring.read(from, BLOCK));
        if (!ring.isIntact(from)) throw new Error('the window was overrun');
      }
    };
    for (let i = 0; i < 6; i++) round();
    const rounds = Math.ceil(256 / count);
    const cpu = process.cpuUsage();
    for (let i = 0; i < rounds; i++) round();
    const { user, system } = process.cpuUsage(cpu);
    const cpuUsPerHop = (user + system) / (rounds * count);
    for (const { extractor } of machines) extractor.close();
    loads[count] = {
      nsPerSample: Number(((cpuUsPerHop * 1000) / (BLOCK / 2)).toFixed(1)),
      coresInRealTime: Number(((cpuUsPerHop * count * RATE) / (BLOCK / 2) / 1e6).toFixed(3)),
    };
  }
  return loads;
}

/** Garbage collection on demand, without a flag on the command line. */
function collector() {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}

/** What one block allocates: its answer, and nothing that grows with the block. */
function bytesPerBlock(extractor, block, collect) {
  const blocks = 64;
  collect();
  const before = process.memoryUsage();
  for (let i = 0; i < blocks; i++) extractor.extract(block);
  const after = process.memoryUsage();
  return {
    heapBytesPerBlock: Math.round((after.heapUsed - before.heapUsed) / blocks),
    arrayBufferBytesPerBlock: Math.round((after.arrayBuffers - before.arrayBuffers) / blocks),
  };
}

async function memory() {
  const extractor = await createExtractor(spec);
  const block = noise(BLOCK);
  const collect = collector();
  for (let i = 0; i < 200; i++) extractor.extract(block);
  const allocation = bytesPerBlock(extractor, block, collect);
  collect();
  const before = process.memoryUsage();
  for (let i = 0; i < LONG_RUN_BLOCKS; i++) extractor.extract(block);
  collect();
  const after = process.memoryUsage();
  extractor.close();
  const growthKiB = (key) => Math.round((after[key] - before[key]) / 1024);
  return {
    ...allocation,
    blocks: LONG_RUN_BLOCKS,
    rssGrowthKiB: growthKiB('rss'),
    heapGrowthKiB: growthKiB('heapUsed'),
    arrayBuffersGrowthKiB: growthKiB('arrayBuffers'),
  };
}

export async function bench() {
  return {
    vector: await vector(),
    logMel: await logMel(),
    fft: await transforms(),
    channels: await channels(),
    memory: await memory(),
  };
}

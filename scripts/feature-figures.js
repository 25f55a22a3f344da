// Draws the figures of docs/features.md from the simulator (src/simulator/random-rig.ts), the same bytes each time.
//   npm run build && node scripts/feature-figures.js [FOLDER]    docs/figures where missing
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resampleByAngle } from '../dist/features/angular-resampling.js';
import { createExtractor } from '../dist/features/extractor.js';
import { loadFft } from '../dist/features/fft.js';
import { fm0, fm4, synchronousAverage } from '../dist/features/gear.js';
import { angleFromMesh } from '../dist/features/mesh-angle.js';
import { orderSpectrum } from '../dist/features/order-spectrum.js';
import { PowerSpectrum } from '../dist/features/spectrum.js';
import { drawRig } from '../dist/simulator/random-rig.js';

const folder = process.argv[2] ?? fileURLToPath(new URL('../docs/figures', import.meta.url));
mkdirSync(folder, { recursive: true });
const library = await loadFft();
/** Machines at 1,500 to 2,100 rpm: which ones does not matter. */
const SEEDS = { outer: 49, inner: 10, ball: 7, gear: 41 };
const rigOf = (fault, strength) =>
  drawRig({ seed: SEEDS[fault], fault, strength, speedError: 0, alone: true });
/** Shock over background of the failing bearings. */
const FAILING = 5;

const svg = (title, width, height, body) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">\n<title>${title}</title>\n<rect width="${width}" height="${height}" fill="#fff"/>\n${body.join('\n')}\n</svg>\n`;
const text = (x, y, content, attributes = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${content}</text>`;

/** A frame with a line in it; `values` are spread over its width, `low` to `high` over its height. */
function panel({ x, y, width, height, values, low, high, title }) {
  const points = values.map((value, i) => {
    const share = Math.max(0, Math.min(1, (value - low) / (high - low)));
    return `${(x + (i / (values.length - 1)) * width).toFixed(1)},${(y + height * (1 - share)).toFixed(1)}`;
  });
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="#bbb"/>`,
    `<polyline fill="none" stroke="#246" stroke-width="0.8" points="${points.join(' ')}"/>`,
    text(x + 4, y + 12, title),
  ];
}

/** Highest of each of `count` equal parts. */
const tops = (values, count) =>
  Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    );
    return Math.max(...part);
  });

/** Lowest and highest of each of `count` equal parts: a waveform as an oscilloscope draws it. */
const extremes = (values, count) =>
  Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    );
    return [Math.min(...part), Math.max(...part)];
  }).flat();

async function featuresOf(rig, sound = {}) {
  const extractor = await createExtractor({ ...rig.spec, ...sound, detail: 'full' });
  try {
    return extractor.extract(rig.samples);
  } finally {
    extractor.close();
  }
}

function waveforms() {
  const rows = [
    ['healthy', 'outer', 0],
    ['outer race', 'outer', FAILING],
    ['inner race', 'inner', FAILING],
    ['ball', 'ball', FAILING],
  ];
  const body = rows.flatMap(([name, fault, strength], row) => {
    const { samples, spec } = rigOf(fault, strength);
    const count = Math.round((spec.sampleRateHz / (spec.speedRpm / 60)) * 4);
    const rms = Math.sqrt(rigOf(fault, 0).samples.reduce((sum, v) => sum + v * v, 0) / samples.length);
    const power = PowerSpectrum.create(library, 16_384, spec.sampleRateHz, { maxTransform: 4096 });
    const db = [...power.compute(samples.subarray(0, 16_384))].map((p) => 10 * Math.log10(p / rms ** 2));
    power.close();
    const y = 10 + row * 92;
    return [
      ...panel({
        x: 10,
        y,
        width: 370,
        height: 84,
        values: extremes(samples.subarray(0, count), 240),
        low: -8 * rms,
        high: 8 * rms,
        title: `${name}: four turns of the shaft`,
      }),
      ...panel({
        x: 392,
        y,
        width: 338,
        height: 84,
        values: tops(db, 240),
        low: -60,
        high: 10,
        title: `spectrum, 0 to ${(spec.sampleRateHz / 2000).toFixed(1)} kHz, 70 dB high`,
      }),
    ];
  });
  return svg('Waveform and spectrum of a healthy bearing and of three failing ones', 740, 384, body);
}

/** A defect that grows: shock over background. */
const STRENGTHS = [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6];

async function growth() {
  const vectors = [];
  for (const strength of STRENGTHS) vectors.push(await featuresOf(rigOf('outer', strength)));
  const names = Object.keys(vectors[0]);
  const columns = 5;
  const [cell, tall] = [148, 56];
  const body = names.flatMap((name, i) => {
    const values = vectors.map((vector) => vector[name]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || 1) * 0.08;
    const x = 6 + (i % columns) * cell;
    const y = 6 + Math.floor(i / columns) * tall;
    return [
      ...panel({
        x,
        y: y + 14,
        width: cell - 10,
        height: tall - 32,
        values,
        low: low - room,
        high: high + room,
        title: '',
      }).slice(0, 2),
      text(x, y + 10, name, 'font-size="10"'),
      text(x, y + tall - 8, Number(values[0].toPrecision(3)), 'font-size="9" fill="#555"'),
      text(
        x + cell - 10,
        y + tall - 8,
        Number(values.at(-1).toPrecision(3)),
        'font-size="9" fill="#555" text-anchor="end"',
      ),
    ];
  });
  return svg(
    'Every vibration feature while a defect of the outer race grows',
    740,
    12 + Math.ceil(names.length / columns) * tall,
    body,
  );
}

/** What a microphone would tell of the same machine: each list of coefficients as one line. */
async function sound() {
  const quantity = { quantity: 'sound-pressure', unit: 'Pa' };
  const [healthy, failing] = [
    await featuresOf(rigOf('outer', 0), quantity),
    await featuresOf(rigOf('outer', FAILING), quantity),
  ];
  const lists = [
    ['mel.0 to mel.39, dB', /^mel\.\d+$/],
    ['mfcc.1 to mfcc.12', /^mfcc\.[1-9]\d*$/],
    ['mfccDelta.0.rms to mfccDelta.12.rms', /^mfccDelta\./],
  ];
  const body = lists.flatMap(([title, pattern], row) => {
    const names = Object.keys(healthy).filter((name) => pattern.test(name));
    const lines = [healthy, failing].map((vector) => names.map((name) => vector[name]));
    const [low, high] = [Math.min(...lines.flat()), Math.max(...lines.flat())];
    const room = 0.1 * (high - low);
    const frame = { x: 10, y: 10 + row * 92, width: 720, height: 84, low: low - room, high: high + 3 * room };
    return [
      ...panel({ ...frame, values: lines[0], title: `${title}; blue healthy, red with a defect` }),
      panel({ ...frame, values: lines[1], title: '' })[1].replace('#246', '#c33'),
    ];
  });
  return svg('Mel bands and MFCC of a healthy and a failing bearing', 740, 292, body);
}

function gears() {
  const body = [];
  const damaged = rigOf('gear');
  const { spec } = damaged;
  const { teeth } = spec.gear;
  const shaftHz = spec.speedRpm / 60;
  // The same machine without a damaged gear has none at all: it gets a sound mesh.
  const still = drawRig({ seed: SEEDS.outer, fault: 'outer', strength: 0, speedError: 0, alone: true });
  const mesh = Float32Array.from(
    damaged.samples,
    (_, i) =>
      (still.samples[i] ?? 0) +
      0.3 * Math.sin((2 * Math.PI * teeth * shaftHz * i) / spec.sampleRateHz) +
      0.03 * Math.sin((2 * Math.PI * (teeth + 1) * shaftHz * i) / spec.sampleRateHz),
  );
  for (const [row, [title, signal]] of [
    ['sound teeth', mesh],
    ['one damaged tooth', damaged.samples],
  ].entries()) {
    const angle = angleFromMesh(library, signal, spec.sampleRateHz, shaftHz, teeth);
    const perTurn = 2 ** Math.ceil(Math.log2(spec.sampleRateHz / shaftHz));
    const turned = resampleByAngle(signal, spec.sampleRateHz, angle, perTurn);
    const { amplitude, binOrder } = orderSpectrum(library, turned, perTurn);
    const part = amplitude.slice(Math.round((teeth - 14) / binOrder), Math.round((teeth + 14) / binOrder));
    const high = 20 * Math.log10(Math.max(...part)) + 8;
    const turn = synchronousAverage(turned, perTurn);
    const figures = `FM0 ${fm0(turn, teeth).toFixed(1)}, FM4 ${fm4(turn, teeth).toFixed(1)}`;
    const peak = 1.2 * Math.max(...turn.map(Math.abs));
    const [y, height] = [10 + row * 122, 112];
    body.push(
      ...panel({
        x: 10,
        y,
        width: 300,
        height,
        values: [...turn],
        low: -peak,
        high: 1.2 * peak,
        title: `${title}: average turn, ${figures}`,
      }),
      ...panel({
        x: 322,
        y,
        width: 408,
        height,
        values: tops(
          [...part].map((a) => 20 * Math.log10(a + 1e-9)),
          400,
        ),
        low: high - 70,
        high,
        title: `orders ${teeth - 14} to ${teeth + 14} around the mesh at ${teeth}, 70 dB high`,
      }),
    );
  }
  return svg('Average turn and order spectrum of sound and of damaged teeth', 740, 256, body);
}

for (const [name, content] of [
  ['waveform-and-spectrum.svg', waveforms()],
  ['features-over-defect.svg', await growth()],
  ['sound-features.svg', await sound()],
  ['gear-orders.svg', gears()],
]) {
  writeFileSync(join(folder, name), content);
  process.stderr.write(`${join(folder, name)}: ${content.length} bytes\n`);
}

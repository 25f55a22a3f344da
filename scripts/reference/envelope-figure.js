// Draws docs/envelope-spectrum.svg: the envelope spectrum of a healthy and of a failing bearing, both synthetic.
//   npm run build && node scripts/reference/envelope-figure.js
import { writeFileSync } from 'node:fs';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { BlockSpectrum, EnvelopePlan, EnvelopeSpectrum } from '#sm/features/envelope.js';
import { loadFft } from '#sm/features/fft.js';

const RATE = 12_800;
const LENGTH = 32_768;
const BPFO_HZ = 107.4;
const MAX_HZ = 400;
const [WIDTH, HEIGHT, LEFT, TOP] = [720, 170, 50, 24];

function signal(shock) {
  const random = seededRandom(3);
  const samples = Float32Array.from({ length: LENGTH }, () => 0.1 * gaussian(random));
  for (let timeS = 0.001; timeS < LENGTH / RATE; timeS += (1 + 0.01 * gaussian(random)) / BPFO_HZ) {
    const start = Math.ceil(timeS * RATE);
    for (let i = start; i < Math.min(LENGTH, start + 200); i++) {
      const t = i / RATE - timeS;
      samples[i] += shock * Math.exp(-900 * t) * Math.sin(2 * Math.PI * 3200 * t);
    }
  }
  return samples;
}

async function spectrum(samples) {
  const library = await loadFft();
  const block = BlockSpectrum.create(library, LENGTH, RATE);
  block.compute(samples);
  const bins = Math.round(2000 / block.binHz);
  const plan = new EnvelopePlan(library, LENGTH, RATE, bins);
  const squared = plan.compute(block.data, { fromBin: Math.round(2200 / block.binHz), bins });
  const result = new EnvelopeSpectrum(library, plan.length, plan.sampleRateHz, plan.margin, MAX_HZ);
  return { depth: result.compute(squared), binHz: result.binHz };
}

function panel({ depth, binHz }, title, top) {
  const points = [...depth.subarray(3)]
    .map((value, i) => [
      LEFT + (((i + 3) * binHz) / MAX_HZ) * (WIDTH - LEFT - 10),
      top + HEIGHT * (1 - Math.min(1, value)),
    ])
    .map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`)
    .join(' ');
  const marks = [1, 2, 3].map((harmonic) => {
    const x = LEFT + ((harmonic * BPFO_HZ) / MAX_HZ) * (WIDTH - LEFT - 10);
    return `<text x="${x.toFixed(1)}" y="${top + 12}" text-anchor="middle" fill="#a33">${harmonic > 1 ? harmonic : ''}BPFO</text>`;
  });
  return [
    `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - 10}" height="${HEIGHT}" fill="none" stroke="#999"/>`,
    `<polyline fill="none" stroke="#246" points="${points}"/>`,
    `<text x="${LEFT + 6}" y="${top + 12}">${title}</text>`,
    `<text x="${LEFT - 6}" y="${top + 10}" text-anchor="end">1</text><text x="${LEFT - 6}" y="${top + HEIGHT}" text-anchor="end">0</text>`,
    ...marks,
  ].join('\n');
}

const healthy = panel(await spectrum(signal(0)), 'healthy', TOP);
const failing = panel(await spectrum(signal(0.8)), 'outer race', TOP + HEIGHT + 16);
const height = TOP + 2 * HEIGHT + 50;
const axis = [0, 100, 200, 300, 400].map(
  (hz) =>
    `<text x="${LEFT + (hz / MAX_HZ) * (WIDTH - LEFT - 10)}" y="${height - 18}" text-anchor="middle">${hz}</text>`,
);
const svg = [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">`,
  `<title>Envelope spectrum of a healthy and of a failing bearing</title>`,
  `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
  `<text x="${LEFT}" y="14">Depth of modulation over modulation frequency, Hz</text>`,
  healthy,
  failing,
  ...axis,
  '</svg>',
];
writeFileSync(new URL('../../docs/envelope-spectrum.svg', import.meta.url), `${svg.join('\n')}\n`);

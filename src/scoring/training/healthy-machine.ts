import { gaussian, type Random } from '../../base/random.js';

/**
 * Acceleration as a healthy machine gives it, in g: what a model of the usual is trained on when nobody's recordings may
 * be. Each machine is drawn anew, over wider ranges than one plant has, so that the model learns what all healthy
 * machines share (vibration that is smooth in time, whatever its level and colour) and not one machine's sound:
 *
 * - shaft orders that decay, blade or vane passing, gear mesh with sidebands, twice the mains frequency and its slots;
 * - broad-band noise of flow and rolling, coloured by the structure's resonances and falling off towards high
 *   frequencies, breathing with the shaft, with the load, and at random as turbulence and lubrication do;
 * - the small impacts of sound rolling bearings and gears (asperities, particles, backlash), as shot noise that excites the
 *   same resonances: healthy machines are mildly impulsive at high frequencies;
 * - now and then a knock from outside, since a floor has other machines and people;
 * - a sensor with noise of its own, a resolution, and an anti-alias filter.
 */
export interface HealthyMachine {
  readonly sampleRateHz: number;
  readonly speedRpm: number;
  /** The next `samples` samples, in g. Each call is another moment of the same machine. */
  record(samples: number): Float32Array;
}

/** Sample rates of the usual vibration front ends, Hz. */
export const SAMPLE_RATES_HZ = [
  10_000, 10_240, 12_000, 12_800, 16_000, 20_000, 20_480, 25_600, 32_000, 44_100, 48_000, 51_200,
];

const between = (random: Random, low: number, high: number): number => low + (high - low) * random();
const logBetween = (random: Random, low: number, high: number): number => low * (high / low) ** random();
const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)]!;

/** A line of the spectrum: a sine whose amplitude breathes a little. */
interface Line {
  readonly frequencyHz: number;
  readonly amplitudeG: number;
}

interface Resonance {
  readonly frequencyHz: number;
  readonly quality: number;
  readonly gain: number;
}

export function drawHealthyMachine(random: Random): HealthyMachine {
  const sampleRateHz = pick(random, SAMPLE_RATES_HZ);
  // 300 to 6000 rpm: from a slow agitator to a spindle or a two-pole motor on an inverter.
  const speedRpm = logBetween(random, 300, 6000);
  const shaftHz = speedRpm / 60;
  // ISO 20816-3, zones A and B: most machines in service run at 0.2 to 4.5 mm/s, small rigid ones below.
  const velocityMmPerS = logBetween(random, 0.1, 4);
  // Rolling and flow noise: 1 mg to 1 g RMS over the full band, louder on faster machines.
  const noiseG = logBetween(random, 0.003, 0.5) * (speedRpm / 1500) ** 0.7;
  const lines = [
    ...shaftLines(random, shaftHz, velocityMmPerS),
    ...passingLines(random, shaftHz, noiseG),
  ].filter((line) => line.frequencyHz < 0.45 * sampleRateHz);
  const resonances = drawResonances(random, sampleRateHz);
  const directShare = between(random, 0.05, 0.6);
  const corner = logBetween(random, 1500, 20_000);
  const impactShare = random() < 0.6 ? between(random, 0, 0.4) : 0;
  // Hundreds a second and more: a few strong ones a turn would be a defect.
  const impactsPerS = logBetween(random, 300, 30_000);
  const shaftModulation = between(random, 0, 0.25);
  const loadModulation = between(random, 0, 0.1);
  const unsteadiness = between(random, 0, 0.2);
  const unsteadyHz = logBetween(random, 2, 50);
  const loadHz = logBetween(random, 0.05, 2);
  const knockRate = random() < 0.1 ? logBetween(random, 0.02, 0.3) : 0;
  const sensorNoiseG = logBetween(random, 3e-5, 1e-3);
  const resolutionG = logBetween(random, 1e-6, 1e-3);

  function record(samples: number): Float32Array {
    const broadband = colouredNoise(random, samples, sampleRateHz, {
      resonances,
      directShare,
      corner,
      impactShare,
      impactsPerS,
    });
    modulate(broadband, sampleRateHz, shaftHz, shaftModulation, 2 * Math.PI * random());
    modulate(broadband, sampleRateHz, loadHz, loadModulation, 2 * Math.PI * random());
    fluctuate(broadband, sampleRateHz, unsteadyHz, unsteadiness, random);
    const gain = noiseG / (rmsOf(broadband) || 1);
    const signal = new Float64Array(samples);
    for (let i = 0; i < samples; i++) signal[i] = broadband[i]! * gain + sensorNoiseG * gaussian(random);
    for (const line of lines) addLine(signal, line, sampleRateHz, random);
    if (random() < (knockRate * samples) / sampleRateHz) addKnock(signal, sampleRateHz, noiseG, random);
    return Float32Array.from(signal, (value) => Math.round(value / resolutionG) * resolutionG);
  }

  return { sampleRateHz, speedRpm, record };
}

/** Orders 1 to 12 of the shaft, so high that their velocity has the given RMS. */
function shaftLines(random: Random, shaftHz: number, velocityMmPerS: number): Line[] {
  const decay = between(random, 1, 2.5);
  const velocities = Array.from(
    { length: 12 },
    (_, i) => (i + 1) ** -decay * Math.exp(0.7 * gaussian(random)),
  );
  const total = Math.sqrt(velocities.reduce((sum, v) => sum + v * v, 0));
  return velocities.map((velocity, i) => {
    const frequencyHz = (i + 1) * shaftHz;
    const peakMmPerS = (velocity / total) * velocityMmPerS * Math.SQRT2;
    return { frequencyHz, amplitudeG: (peakMmPerS * 1e-3 * 2 * Math.PI * frequencyHz) / 9.80665 };
  });
}

/** Blades, gear teeth, and the magnetic lines of a motor; each machine has some of them. */
function passingLines(random: Random, shaftHz: number, noiseG: number): Line[] {
  const lines: Line[] = [];
  const level = () => noiseG * logBetween(random, 0.05, 0.8);
  if (random() < 0.6) {
    const blades = 3 + Math.floor(random() * 9);
    for (let k = 1; k <= 3; k++) lines.push({ frequencyHz: k * blades * shaftHz, amplitudeG: level() / k });
  }
  if (random() < 0.3) {
    const teeth = 15 + Math.floor(random() * 60);
    for (let k = 1; k <= 3; k++)
      for (const side of [-1, 0, 1])
        lines.push({
          frequencyHz: (k * teeth + side) * shaftHz,
          amplitudeG: (level() / k) * (side === 0 ? 1 : 0.2),
        });
  }
  if (random() < 0.6) {
    const mainsHz = pick(random, [50, 60]);
    lines.push({ frequencyHz: 2 * mainsHz, amplitudeG: level() });
    const slots = 20 + Math.floor(random() * 40);
    for (const side of [-2, 0, 2])
      lines.push({ frequencyHz: slots * shaftHz + side * mainsHz, amplitudeG: level() * 0.5 });
  }
  return lines;
}

function drawResonances(random: Random, sampleRateHz: number): Resonance[] {
  const count = 2 + Math.floor(random() * 6);
  return Array.from({ length: count }, () => ({
    frequencyHz: logBetween(random, 200, Math.min(20_000, 0.42 * sampleRateHz)),
    quality: logBetween(random, 4, 40),
    gain: logBetween(random, 0.2, 1),
  }));
}

interface Colour {
  readonly resonances: readonly Resonance[];
  /** Share of the excitation that reaches the sensor as it is. */
  readonly directShare: number;
  /** Corner of the first-order fall-off, Hz. */
  readonly corner: number;
  /** Amplitude of the impacts over that of the Gaussian excitation, RMS. */
  readonly impactShare: number;
  readonly impactsPerS: number;
}

/** Gaussian noise and Poisson impacts through parallel resonators and a first-order fall-off; its RMS is arbitrary. */
function colouredNoise(random: Random, samples: number, sampleRateHz: number, colour: Colour): Float64Array {
  const { resonances, directShare, corner, impactShare, impactsPerS } = colour;
  const settle = 2048;
  const filters = resonances.map(({ frequencyHz, quality, gain }) => {
    const radius = Math.exp((-Math.PI * frequencyHz) / (quality * sampleRateHz));
    return {
      a1: 2 * radius * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz),
      a2: -radius * radius,
      // A two-pole resonator passes white noise with a power of about 1 / (1 - r²): levelled out here.
      gain: gain * (1 - radius * radius),
      y1: 0,
      y2: 0,
    };
  });
  const keep = Math.exp((-2 * Math.PI * corner) / sampleRateHz);
  const impactProbability = Math.min(1, impactsPerS / sampleRateHz);
  // Exponential amplitudes (mean square 2) at random signs, as strong together as the share says.
  const impactScale = impactShare / Math.sqrt(2 * impactProbability);
  let smooth = 0;
  const noise = new Float64Array(samples);
  for (let i = -settle; i < samples; i++) {
    let white = gaussian(random);
    if (impactShare > 0 && random() < impactProbability)
      white -= impactScale * Math.log(1 - random()) * (random() < 0.5 ? -1 : 1);
    let sum = directShare * white;
    for (const filter of filters) {
      const y = white * filter.gain + filter.a1 * filter.y1 + filter.a2 * filter.y2;
      filter.y2 = filter.y1;
      filter.y1 = y;
      sum += y;
    }
    smooth = keep * smooth + (1 - keep) * sum;
    if (i >= 0) noise[i] = smooth;
  }
  return noise;
}

function modulate(
  signal: Float64Array,
  sampleRateHz: number,
  hz: number,
  depth: number,
  phase: number,
): void {
  const step = (2 * Math.PI * hz) / sampleRateHz;
  for (let i = 0; i < signal.length; i++) signal[i]! *= 1 + depth * Math.sin(phase + step * i);
}

/** Random amplitude: a first-order Gaussian process of standard deviation `depth` and bandwidth `hz`. */
function fluctuate(
  signal: Float64Array,
  sampleRateHz: number,
  hz: number,
  depth: number,
  random: Random,
): void {
  // One draw per stretch is enough for a process this slow.
  const stretch = 32;
  const keep = Math.exp((-2 * Math.PI * hz * stretch) / sampleRateHz);
  const drive = Math.sqrt(1 - keep * keep);
  let state = gaussian(random);
  for (let start = 0; start < signal.length; start += stretch) {
    const next = keep * state + drive * gaussian(random);
    const end = Math.min(signal.length, start + stretch);
    for (let i = start; i < end; i++) {
      const level = state + ((next - state) * (i - start)) / stretch;
      signal[i]! *= Math.max(0, 1 + depth * level);
    }
    state = next;
  }
}

/** A sine by rotation, its amplitude up to 10 % off from moment to moment. */
function addLine(
  signal: Float64Array,
  { frequencyHz, amplitudeG }: Line,
  sampleRateHz: number,
  random: Random,
): void {
  const step = (2 * Math.PI * frequencyHz) / sampleRateHz;
  const phase = 2 * Math.PI * random();
  const amplitude = amplitudeG * between(random, 0.9, 1.1);
  const cos = Math.cos(step);
  const sin = Math.sin(step);
  let re = amplitude * Math.cos(phase);
  let im = amplitude * Math.sin(phase);
  for (let i = 0; i < signal.length; i++) {
    signal[i]! += im;
    const next = re * cos - im * sin;
    im = re * sin + im * cos;
    re = next;
  }
}

/** One decaying impact, up to six times the noise: a door, a fork-lift, a neighbour's press. */
function addKnock(signal: Float64Array, sampleRateHz: number, noiseG: number, random: Random): void {
  const start = Math.floor(random() * signal.length);
  const frequencyHz = logBetween(random, 100, 1000);
  const decayS = logBetween(random, 0.005, 0.05);
  const amplitude = noiseG * logBetween(random, 1, 6);
  const length = Math.min(signal.length - start, Math.ceil(6 * decayS * sampleRateHz));
  for (let i = 0; i < length; i++) {
    const t = i / sampleRateHz;
    signal[start + i]! += amplitude * Math.exp(-t / decayS) * Math.sin(2 * Math.PI * frequencyHz * t);
  }
}

function rmsOf(signal: Float64Array): number {
  let sum = 0;
  for (const value of signal) sum += value * value;
  return Math.sqrt(sum / signal.length);
}

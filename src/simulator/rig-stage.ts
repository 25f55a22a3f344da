import type { Random } from '../base/random.js';
import { Resonator } from './resonator.js';
import { velocityAmplitudeG } from './shaft.js';

/** What the parts of a rig are added to. */
export interface RigStage {
  readonly random: Random;
  readonly samples: Float32Array;
  /** Turns of the shaft at each sample. */
  readonly angle: Float64Array;
  readonly sampleRateHz: number;
  readonly shaftHz: number;
  /** RMS of the background, g. */
  readonly noise: number;
  readonly modes: readonly Mode[];
  readonly teeth: number;
}

export interface Mode {
  readonly frequencyHz: number;
  readonly damping: number;
  readonly weight: number;
}

export const between = (
  random: Random,
  low: number,
  high: number,
  map: (value: number) => number = (value) => value,
) => map(low + (high - low) * random());

export const pick = <T>(random: Random, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)]!;

export function rms(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum / Math.max(1, values.length)) || 1;
}

/** Adds a line at an order of the shaft, by its velocity in mm/s RMS. */
export function addOrder(
  { random, samples, angle, shaftHz }: RigStage,
  order: number,
  velocityMmPerS: number,
): void {
  const amplitude = velocityAmplitudeG(velocityMmPerS, order * shaftHz);
  const phase = random();
  for (let i = 0; i < samples.length; i++)
    samples[i]! += amplitude * Math.sin(2 * Math.PI * (order * angle[i]! + phase));
}

/** Lets a train of forces ring in the modes of the machine; `peak` is the first swing after a unit force, g. */
export function ring({ samples, modes, sampleRateHz }: RigStage, force: Float32Array, peak: number): void {
  const heaviest = Math.max(...modes.map(({ weight }) => weight));
  for (const { frequencyHz, damping, weight } of modes)
    new Resonator(frequencyHz, damping, sampleRateHz).addResponse(force, samples, (peak * weight) / heaviest);
}

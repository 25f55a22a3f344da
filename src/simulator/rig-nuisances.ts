import { gaussian } from '../base/random.js';
import { addOrder, between, pick, type RigStage, ring } from './rig-stage.js';

/** What runs beside a bearing, and is no fault of it. */
export type NuisanceKind =
  | 'hum'
  | 'gear'
  | 'blades'
  | 'second-shaft'
  | 'knocks'
  | 'crackle'
  | 'flow'
  | 'spur';

const KINDS: readonly NuisanceKind[] = [
  'hum',
  'gear',
  'blades',
  'second-shaft',
  'knocks',
  'crackle',
  'flow',
  'spur',
];

/** Adds up to three of them, each of its own strength; a rig with a damaged gear has no second, sound one. */
export function addNuisances(stage: RigStage, hasGear: boolean): NuisanceKind[] {
  const { random } = stage;
  const kinds = new Set<NuisanceKind>();
  const count = Math.floor(random() * 4);
  for (let i = 0; i < count; i++) kinds.add(pick(random, KINDS));
  if (hasGear) kinds.delete('gear');
  for (const kind of kinds) ADD[kind](stage);
  return [...kinds];
}

const ADD: Readonly<Record<NuisanceKind, (stage: RigStage) => void>> = {
  hum: addHum,
  gear: addSoundGear,
  blades: addBlades,
  'second-shaft': addSecondShaft,
  knocks: addKnocks,
  crackle: addCrackle,
  flow: addFlow,
  spur: addSpur,
};

function addTone({ random, samples, sampleRateHz }: RigStage, frequencyHz: number, amplitude: number): void {
  const omega = (2 * Math.PI * frequencyHz) / sampleRateHz;
  const phase = 2 * Math.PI * random();
  for (let i = 0; i < samples.length; i++) samples[i]! += amplitude * Math.sin(omega * i + phase);
}

/** Magnetic forces at twice the mains, their harmonics, and noise that swells with them. */
function addHum(stage: RigStage): void {
  const { random, samples, sampleRateHz, noise } = stage;
  const mains = pick(random, [50, 60]);
  for (const times of [2, 4, 6, 8, 12])
    addTone(stage, times * mains, (noise * between(random, 0.1, 2)) / Math.sqrt(times));
  const depth = between(random, 0, 0.2);
  const omega = (4 * Math.PI * mains) / sampleRateHz;
  for (let i = 0; i < samples.length; i++)
    samples[i]! += noise * depth * Math.sin(omega * i) * gaussian(random);
}

/** A mesh whose teeth are alike up to the usual run-out. */
function addSoundGear(stage: RigStage): void {
  const { random, teeth } = stage;
  const velocity = between(random, 0.05, 0.6);
  for (const harmonic of [1, 2, 3]) addOrder(stage, harmonic * teeth, velocity / harmonic ** 2);
  for (const side of [-1, 1]) addOrder(stage, teeth + side, velocity * between(random, 0, 0.2));
}

/** Vanes: a tone at their passage and flow noise that swells with it. */
function addBlades(stage: RigStage): void {
  const { random, samples, angle, noise } = stage;
  const vanes = 3 + Math.floor(random() * 7);
  addOrder(stage, vanes, between(random, 0.1, 0.8));
  const depth = between(random, 0.1, 0.7);
  for (let i = 0; i < samples.length; i++)
    samples[i]! += noise * depth * Math.sin(2 * Math.PI * vanes * angle[i]!) * gaussian(random);
}

/** A shaft behind a belt or a gear: tones of its orders, and noise that swells with its turns. */
function addSecondShaft(stage: RigStage): void {
  const { random, samples, angle, noise } = stage;
  const ratio = between(random, 0.21, 3.3);
  for (let order = 1; order <= 4; order++) addOrder(stage, order * ratio, between(random, 0.05, 0.4) / order);
  const depth = between(random, 0, 0.4);
  for (let i = 0; i < samples.length; i++)
    samples[i]! += noise * depth * Math.sin(2 * Math.PI * ratio * angle[i]!) * gaussian(random);
}

/** Something that knocks a whole number of times, or once, in one or two turns. */
function addKnocks(stage: RigStage): void {
  const { random, samples, angle, noise } = stage;
  const rate = pick(random, [0.5, 1, 1, 2, 3, 4, 5, 6]);
  const force = new Float32Array(samples.length);
  for (let i = 1; i < force.length; i++)
    if (Math.floor(rate * angle[i]!) !== Math.floor(rate * angle[i - 1]!))
      force[i] = between(random, 0.8, 1.2);
  ring(stage, force, noise * between(random, 0.5, 4));
}

/** Shocks without any rhythm: electrical discharges, particles in the grease, cavitation. */
function addCrackle(stage: RigStage): void {
  const { random, samples, angle, noise } = stage;
  const share = between(random, 0.5, 6) / (samples.length / (angle[angle.length - 1]! - angle[0]!));
  const force = Float32Array.from(samples, () => (random() < share ? between(random, 0.3, 1) : 0));
  ring(stage, force, noise * between(random, 1, 6));
}

/** Noise that comes and goes slowly. */
function addFlow({ random, samples, sampleRateHz, noise }: RigStage): void {
  const rate = 1 - Math.exp(-between(random, 2, 40) / sampleRateHz);
  let slow = 0;
  const level = between(random, 0.3, 1.5) / Math.sqrt(rate / 2);
  for (let i = 0; i < samples.length; i++) {
    slow += rate * (gaussian(random) - slow);
    samples[i]! += noise * slow * level * gaussian(random);
  }
}

/** Tones of a converter: a carrier with sidebands that nothing on the shaft explains. */
function addSpur(stage: RigStage): void {
  const { random, sampleRateHz, noise } = stage;
  const carrier = between(random, 0.1, 0.38) * sampleRateHz;
  const apart = between(random, 8, 300);
  const amplitude = noise * between(random, 0.2, 2);
  for (let side = -3; side <= 3; side++)
    addTone(stage, carrier + side * apart, amplitude / (1 + Math.abs(side)));
}

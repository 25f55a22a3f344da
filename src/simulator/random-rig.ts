import { gaussian, type Random, seededRandom } from '../base/random.js';
import { bearingOrders } from '../features/bearing-orders.js';
import type { AnalysisSpec, BearingGeometry } from '../features/spec.js';
import { Resonator } from './resonator.js';
import { addNuisances, type NuisanceKind } from './rig-nuisances.js';
import { addOrder, between, type Mode, pick, type RigStage, ring, rms } from './rig-stage.js';
import { velocityAmplitudeG } from './shaft.js';

/**
 * Machines drawn at random, to measure a diagnosis by: any speed, bearing, sample rate and structure, with what runs
 * beside the bearing (orders of the shaft, hum, gears, blades, a second shaft), and a declared speed that is wrong by
 * up to 7 %. Nothing in here is taken from a recording.
 */

export const RIG_FAULTS = [
  'normal',
  'outer',
  'inner',
  'ball',
  'cage',
  'unbalance',
  'misalignment',
  'looseness',
  'gear',
] as const;
export type RigFault = (typeof RIG_FAULTS)[number];

export interface Rig {
  readonly fault: RigFault;
  /** Peak of a shock over the RMS of the background around it; 0 for faults without shocks. */
  readonly strength: number;
  readonly nuisances: readonly NuisanceKind[];
  readonly trueSpeedRpm: number;
  /** What a nameplate would tell: with the declared speed and the maker's geometry. */
  readonly spec: AnalysisSpec;
  readonly samples: Float32Array;
}

const SAMPLE_RATES_HZ = [10_240, 12_000, 12_800, 20_000, 25_600, 48_000, 51_200];
const LONGEST = 262_144;

export interface RigOptions {
  readonly seed: number;
  readonly fault: RigFault;
  /** Share by which the declared speed is off; drawn from ±7 % where missing. */
  readonly speedError?: number;
  /** Peak of a shock over the background; drawn where missing. */
  readonly strength?: number;
  /** Nothing else runs beside the bearing. */
  readonly alone?: boolean;
}

/** The machine of a seed: the same seed and fault give the same samples. */
export function drawRig({ seed, fault, speedError, alone = false, ...options }: RigOptions): Rig {
  const random = seededRandom(seed * 7919 + RIG_FAULTS.indexOf(fault) * 104_729 + 17);
  const shaftHz = between(random, Math.log(6), Math.log(95), Math.exp);
  // A sensor that is too slow for the machine is the fitter's fault: 150 samples a turn or more.
  const rates = SAMPLE_RATES_HZ.filter((rate) => rate > 150 * shaftHz);
  const sampleRateHz = pick(random, rates);
  const turns = between(random, 80, 320);
  const length = Math.round(Math.min(LONGEST, (turns / shaftHz) * sampleRateHz));
  const bearing = drawBearing(random);
  const angle = shaftAngle(random, length, shaftHz / sampleRateHz);
  const samples = new Float32Array(length);
  const modes = drawModes(random, sampleRateHz);
  const noise = background(random, samples, modes, sampleRateHz);
  const teeth = 17 + Math.floor(random() * 50);
  const stage = { random, samples, angle, sampleRateHz, shaftHz, noise, modes, teeth };
  addOrders(stage, fault);
  const nuisances = alone ? [] : addNuisances(stage, fault === 'gear');
  const strength = options.strength ?? rigStrength(seed, fault);
  if (isBearing(fault)) addBearingFault(stage, bearing, fault, strength);
  if (fault === 'gear') addToothFault(stage);
  const error = speedError ?? between(random, -0.07, 0.07);
  return {
    fault,
    strength,
    nuisances,
    trueSpeedRpm: shaftHz * 60,
    samples,
    spec: {
      sampleRateHz,
      blockLength: length,
      unit: 'g',
      quantity: 'acceleration',
      speedRpm: shaftHz * 60 * (1 + error),
      bearing,
      ...(fault === 'gear' || nuisances.includes('gear') ? { gear: { teeth } } : {}),
    },
  };
}

/** Peak of the shocks of a rig over the RMS of its background: from lost in the noise to plain. */
export function rigStrength(seed: number, fault: RigFault): number {
  if (!isBearing(fault)) return 0;
  return between(seededRandom(seed * 31_337 + 5), Math.log(0.5), Math.log(6), Math.exp);
}

const isBearing = (fault: RigFault): fault is 'outer' | 'inner' | 'ball' | 'cage' =>
  fault === 'outer' || fault === 'inner' || fault === 'ball' || fault === 'cage';

function drawBearing(random: Random): BearingGeometry {
  const balls = 7 + Math.floor(random() * 12);
  // Balls must fit on the pitch circle: balls * d below 0.95 π D.
  const most = Math.min(0.32, (0.9 * Math.PI) / balls);
  return {
    balls,
    ballDiameterMm: 60 * between(random, 0.6 * most, most),
    pitchDiameterMm: 60,
    contactAngleDeg: pick(random, [0, 0, 0, 15, 25, 40]),
  };
}

/** The angle of a shaft whose speed wanders by up to 0.2 %. */
function shaftAngle(random: Random, length: number, turnsPerSample: number): Float64Array {
  const angle = new Float64Array(length);
  const wander = 0.002 * random();
  const period = length * between(random, 0.3, 3);
  const phase = 2 * Math.PI * random();
  let turns = random();
  for (let i = 0; i < length; i++) {
    angle[i] = turns;
    turns += turnsPerSample * (1 + wander * Math.sin((2 * Math.PI * i) / period + phase));
  }
  return angle;
}

function drawModes(random: Random, sampleRateHz: number): Mode[] {
  const count = 1 + Math.floor(random() * 3);
  const high = 0.38 * sampleRateHz;
  return Array.from({ length: count }, () => ({
    frequencyHz: between(random, Math.log(Math.min(1500, 0.5 * high)), Math.log(high), Math.exp),
    damping: between(random, 0.01, 0.06),
    weight: between(random, 0.4, 1),
  }));
}

/** White noise, and noise that excites the structure. Returns its RMS. */
function background(
  random: Random,
  samples: Float32Array,
  modes: readonly Mode[],
  sampleRateHz: number,
): number {
  const level = between(random, Math.log(0.005), Math.log(0.3), Math.exp);
  const force = Float32Array.from(samples, () => gaussian(random));
  const rung = new Float32Array(samples.length);
  for (const { frequencyHz, damping, weight } of modes)
    new Resonator(frequencyHz, damping, sampleRateHz).addResponse(force, rung, weight);
  const colour = between(random, 0, 1);
  const scale = (colour * level) / rms(rung);
  for (let i = 0; i < samples.length; i++)
    samples[i] = level * Math.sqrt(1 - colour * colour) * gaussian(random) + scale * rung[i]!;
  return level;
}

/** Orders of a sound machine, and those that faults of the shaft make. */
function addOrders(stage: RigStage, fault: RigFault): void {
  const { random } = stage;
  // Balanced so well that its one pulse a turn stays below the scale of ISO 10816-1, which begins at 0.28 mm/s.
  const sound = between(random, 0.05, 0.25);
  const orders = new Map<number, number>();
  for (let order = 1; order <= 8; order++)
    orders.set(order, (sound * between(random, 0.3, 1)) / order ** 0.7);
  if (fault === 'unbalance') orders.set(1, between(random, 3, 9));
  if (fault === 'misalignment') {
    orders.set(1, between(random, 1, 2.5));
    orders.set(2, orders.get(1)! * between(random, 1.1, 2));
    orders.set(3, orders.get(1)! * between(random, 0.2, 0.6));
  }
  if (fault === 'looseness') {
    const base = between(random, 1.5, 4);
    for (let order = 1; order <= 10; order++)
      orders.set(order, (base * between(random, 0.6, 1)) / order ** 0.6);
    for (const half of [0.5, 1.5, 2.5, 3.5, 4.5]) orders.set(half, base * between(random, 0.12, 0.4));
  }
  for (const [order, velocity] of orders) addOrder(stage, order, velocity);
}

/** Shocks of a local defect: each sets the modes ringing; the elements slip, as a random walk and around a mean. */
function addBearingFault(
  stage: RigStage,
  bearing: BearingGeometry,
  fault: 'outer' | 'inner' | 'ball' | 'cage',
  strength: number,
): void {
  const { random, samples, angle, noise } = stage;
  const kinematic = bearingOrders(bearing);
  // Load and slip move the cage against the kinematics of a loose bearing: all frequencies move with it.
  const ftf = kinematic.ftf * (1 + between(random, -0.012, 0.012));
  const gamma = 1 - 2 * ftf;
  const spin = (bearing.pitchDiameterMm / bearing.ballDiameterMm) * (1 - gamma * gamma);
  const [rate, loadOrder] = {
    outer: [bearing.balls * ftf, 0],
    inner: [bearing.balls * (1 - ftf), 1],
    ball: [spin, ftf],
    cage: [ftf, 0],
  }[fault] as [number, number];
  const depth = loadOrder === 0 ? between(random, 0, 0.2) : between(random, 0.5, 1);
  const jitter = between(random, 0.002, 0.012);
  const walk = between(random, 0.0005, 0.003);
  const force = new Float32Array(samples.length);
  const start = angle[0]!;
  const perSample = (angle[angle.length - 1]! - start) / angle.length;
  let next = start + random() / rate;
  let strike = 0;
  while (next < angle[angle.length - 1]!) {
    const at = (next + (jitter * gaussian(random)) / rate - start) / perSample;
    const load = 1 + depth * Math.cos(2 * Math.PI * (loadOrder === 0 ? ftf : loadOrder) * next);
    // The two races answer differently to the same ball.
    const side = fault === 'ball' && strike++ % 2 === 1 ? 0.6 : 1;
    const index = Math.floor(at);
    if (index >= 0 && index < force.length)
      force[index]! += load * side * (1 + 0.15 * gaussian(random)) * (random() < 0.5 ? 1 : 0.8);
    next += (1 + walk * gaussian(random)) / rate;
  }
  const peak = fault === 'cage' ? 3 * strength * noise : strength * noise;
  ring(stage, force, peak);
}

/** One damaged tooth: the mesh swells once a turn, and the tooth strikes. */
function addToothFault(stage: RigStage): void {
  const { random, samples, angle, shaftHz, teeth, noise } = stage;
  const amplitude = velocityAmplitudeG(between(random, 0.4, 1.5), teeth * shaftHz) + noise;
  const depth = between(random, 0.6, 1.2);
  const width = between(random, 0.1, 0.25);
  const at = random();
  for (let i = 0; i < samples.length; i++) {
    const turn = angle[i]! + at;
    const away = Math.abs(turn - Math.round(turn)) / width;
    const swell = away < 1 ? 0.5 + 0.5 * Math.cos(Math.PI * away) : 0;
    samples[i]! +=
      amplitude * (1 + 3 * depth * swell) * Math.sin(2 * Math.PI * teeth * turn + 0.8 * depth * swell);
  }
}

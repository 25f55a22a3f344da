import { gaussian, type Random } from '../base/random.js';
import { findBearing } from '../features/bearings.js';
import { BearingDefect, DEFECT_KINDS, type DefectKind } from './bearing-defect.js';
import { FaultBoard } from './fault-board.js';
import { Noise } from './noise.js';
import { Resonator } from './resonator.js';
import { type Harmonic, Shaft, velocityAmplitudeG } from './shaft.js';
import { SHAFT_FAULTS, shaftFaultHarmonics } from './shaft-faults.js';

export const PUMP_FAULTS = [...DEFECT_KINDS, ...SHAFT_FAULTS, 'cavitation'] as const;
export type PumpFault = (typeof PUMP_FAULTS)[number];

export interface PumpOptions {
  readonly random: Random;
  readonly sampleRateHz: number;
  /** Set value; default 1780 rpm. */
  readonly speedRpm?: number;
  /** The defect of the drive-end bearing; none where it is missing. */
  readonly defect?: {
    readonly kind: DefectKind;
    /** When it starts, seconds after the start of the machine. */
    readonly afterS: number;
    /** From the first trace to a heavily damaged bearing, seconds. */
    readonly growthS: number;
  };
}

/** What the pump's transmitters measure. */
export interface PumpScalars {
  readonly bearingDeTemperatureDegC: number;
  readonly motorCurrentA: number;
  readonly speedRpm: number;
  readonly dischargePressureBar: number;
}

/** The bearings of the motor. */
export const PUMP_BEARING = '6205';
export const PUMP_SPEED_RPM = 1780;

const RATED_CURRENT_A = 62;
const AMBIENT_DEG_C = 24;
const RUNNING_RISE_K = 26;
const DEFECT_RISE_K = 38;
/** Time constant of the bearing housing. */
const THERMAL_TIME_S = 90;
const VANES = 6;
/** Peak of a hit of a heavily damaged bearing, g: a spall of some millimetres. */
const FULL_HIT_G = 9;
/** A broken cage knocks seldom, and hard. */
const CAGE_HIT_G = 18;
/** How much the bearing warms by faults of the shaft, compared with a damage of its own. */
const SHAFT_WARMTH = 0.3;
/** Collapsing bubbles at full cavitation: force that excites the housing, g. */
const CAVITATION_G = 1.1;
/** What cavitation takes of the pressure, and how much the rest of it shakes. */
const CAVITATION_PRESSURE_LOSS = 0.18;
const CAVITATION_PRESSURE_RMS_BAR = 0.25;
/** What of the drive end's hits arrives at the other end of the motor. */
const NDE_TRANSMISSION = 0.2;

/** One measuring position: its share of the shaft's harmonics, the modes of its housing, its noise. */
interface Position {
  readonly harmonics: readonly Harmonic[];
  readonly modes: readonly { readonly resonator: Resonator; readonly weight: number }[];
  readonly noise: Noise;
  readonly noiseRmsG: number;
  /** What of the faults of the shaft arrives here. */
  readonly shaftShare: number;
}

/** A centrifugal pump with its motor: vibration at both motor bearings, and what its transmitters measure. */
export class Pump {
  readonly faults = new FaultBoard(PUMP_FAULTS);
  readonly #options: PumpOptions;
  readonly #shaft: Shaft;
  readonly #de: Position;
  readonly #nde: Position;
  readonly #defects = new Map<DefectKind, BearingDefect>();
  #timeS = 0;
  #temperatureDegC = AMBIENT_DEG_C + RUNNING_RISE_K;
  #force = new Float32Array(0);
  #scalars: PumpScalars;

  constructor(options: PumpOptions) {
    const { random, sampleRateHz, speedRpm = PUMP_SPEED_RPM, defect } = options;
    this.#options = options;
    this.#shaft = new Shaft(speedRpm, random);
    const harmonics = (unbalance: number, misalignment: number): Harmonic[] =>
      (
        [
          [1, unbalance],
          [2, misalignment],
          [3, misalignment / 4],
          [VANES, 0.7],
        ] as const
      ).map(([order, velocityRmsMmPerS]) => ({
        order,
        amplitude: velocityAmplitudeG(velocityRmsMmPerS, (order * speedRpm) / 60),
        phase: 2 * Math.PI * random(),
      }));
    const modes = (...list: readonly (readonly [frequencyHz: number, damping: number, weight: number])[]) =>
      list
        .filter(([frequencyHz]) => frequencyHz < sampleRateHz * 0.45)
        .map(([frequencyHz, damping, weight]) => ({
          resonator: new Resonator(frequencyHz, damping, sampleRateHz),
          weight,
        }));
    this.#de = {
      harmonics: harmonics(0.4, 0.25),
      modes: modes([3_150, 0.045, 1], [6_400, 0.04, 0.5]),
      noise: new Noise(random),
      noiseRmsG: 0.03,
      shaftShare: 1,
    };
    this.#nde = {
      harmonics: harmonics(0.35, 0.2),
      modes: modes([2_700, 0.05, 1], [5_200, 0.05, 0.4]),
      noise: new Noise(random),
      noiseRmsG: 0.025,
      shaftShare: 0.7,
    };
    if (defect !== undefined)
      this.faults.start(defect.kind, { severity: 1, fromS: defect.afterS, growthS: defect.growthS });
    this.#scalars = this.#measure();
  }

  /** Seconds since the start of the machine. */
  get timeS(): number {
    return this.#timeS;
  }

  /** Size of the worst defect of the drive-end bearing, 0 (none) to 1 (heavily damaged). */
  get severity(): number {
    return Math.max(...DEFECT_KINDS.map((kind) => this.faults.severity(kind, this.#timeS)));
  }

  /** Sets the drive to another speed. */
  runAt(speedRpm: number): void {
    this.#shaft.runAt(speedRpm);
  }

  /** What the transmitters show at the end of the last block. */
  get scalars(): PumpScalars {
    return this.#scalars;
  }

  /** The next `count` samples at both bearings of the motor, acceleration in g. */
  next(count: number): { readonly de: Float32Array; readonly nde: Float32Array } {
    const { sampleRateHz } = this.#options;
    if (this.#force.length !== count) this.#force = new Float32Array(count);
    const hits = this.#force.fill(0);
    const turnsPerSample = this.#shaft.speedHz / sampleRateHz;
    for (const kind of DEFECT_KINDS) {
      const severity = this.faults.severity(kind, this.#timeS);
      if (severity === 0) continue;
      const strength = severity * (kind === 'cage' ? CAGE_HIT_G : FULL_HIT_G);
      this.#defect(kind).addHits(hits, this.#shaft.turns, turnsPerSample, strength);
    }
    this.#cavitate(hits);
    const de = this.#sense(this.#de, hits, 1);
    const nde = this.#sense(this.#nde, hits, NDE_TRANSMISSION);
    this.#advance(count / sampleRateHz);
    return { de, nde };
  }

  #defect(kind: DefectKind): BearingDefect {
    let defect = this.#defects.get(kind);
    if (defect === undefined) {
      defect = new BearingDefect(kind, findBearing(PUMP_BEARING)!, this.#options.random);
      this.#defects.set(kind, defect);
    }
    return defect;
  }

  /** Bubbles that collapse behind the vanes: noise that swells as each vane passes. */
  #cavitate(force: Float32Array): void {
    const severity = this.faults.severity('cavitation', this.#timeS);
    if (severity === 0) return;
    const bubbles = new Float32Array(force.length);
    // The table of the drive end read at other places: as good as one of its own.
    this.#de.noise.addTo(bubbles, CAVITATION_G * severity);
    const turnsPerSample = this.#shaft.speedHz / this.#options.sampleRateHz;
    const start = this.#shaft.turns;
    for (let i = 0; i < force.length; i++)
      force[i]! += bubbles[i]! * (1 + 0.6 * Math.cos(2 * Math.PI * VANES * (start + i * turnsPerSample)));
  }

  #sense(position: Position, hits: Float32Array, transmission: number): Float32Array {
    const out = new Float32Array(hits.length);
    // The flow shakes the housing all the time: noise goes through its modes as the hits do.
    position.noise.addTo(out, position.noiseRmsG);
    const force = out.slice();
    for (let i = 0; i < force.length; i++) force[i]! += transmission * hits[i]!;
    for (const { resonator, weight } of position.modes) resonator.addResponse(force, out, weight);
    const { sampleRateHz, speedRpm = PUMP_SPEED_RPM } = this.#options;
    // Forces of masses go with the square of the speed.
    const strength = this.#shaft.share ** 2;
    this.#shaft.addHarmonics(out, sampleRateHz, position.harmonics, strength);
    const faults = shaftFaultHarmonics((fault) => this.#severity(fault), speedRpm, position.shaftShare);
    this.#shaft.addHarmonics(out, sampleRateHz, faults, strength);
    return out;
  }

  #severity(fault: PumpFault): number {
    return this.faults.severity(fault, this.#timeS);
  }

  #advance(durationS: number): void {
    const worstOfShaft = Math.max(...SHAFT_FAULTS.map((fault) => this.#severity(fault)));
    const severity = Math.max(this.severity, SHAFT_WARMTH * worstOfShaft);
    const running = Math.min(1.5, this.#shaft.share);
    this.#timeS += durationS;
    this.#shaft.advance(durationS);
    const targetDegC = AMBIENT_DEG_C + (RUNNING_RISE_K + DEFECT_RISE_K * severity) * running;
    this.#temperatureDegC +=
      (targetDegC - this.#temperatureDegC) * (1 - Math.exp(-durationS / THERMAL_TIME_S));
    this.#scalars = this.#measure();
  }

  #measure(): PumpScalars {
    const { random } = this.#options;
    const speedRpm = this.#shaft.speedRpm;
    const share = speedRpm / PUMP_SPEED_RPM;
    const cavitation = this.#severity('cavitation');
    return {
      bearingDeTemperatureDegC: this.#temperatureDegC + 0.05 * gaussian(random),
      // Affinity laws: power goes with the cube of the speed, pressure with its square.
      motorCurrentA: Math.max(0, RATED_CURRENT_A * 0.82 * share ** 3 + 0.2 * gaussian(random)),
      speedRpm,
      dischargePressureBar: Math.max(
        0,
        5.4 * share ** 2 * (1 - CAVITATION_PRESSURE_LOSS * cavitation) +
          (0.02 + CAVITATION_PRESSURE_RMS_BAR * cavitation) * gaussian(random),
      ),
    };
  }
}

import { gaussian, type Random } from '../base/random.js';
import { findBearing } from '../features/bearings.js';
import { BearingDefect, type DefectKind } from './bearing-defect.js';
import { Noise } from './noise.js';
import { Resonator } from './resonator.js';
import { type Harmonic, Shaft, velocityAmplitudeG } from './shaft.js';

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
/** First trace of a defect, as a share of the full one. */
const FIRST_TRACE = 0.04;
/** What of the drive end's hits arrives at the other end of the motor. */
const NDE_TRANSMISSION = 0.2;

/** One measuring position: its share of the shaft's harmonics, the modes of its housing, its noise. */
interface Position {
  readonly harmonics: readonly Harmonic[];
  readonly modes: readonly { readonly resonator: Resonator; readonly weight: number }[];
  readonly noise: Noise;
  readonly noiseRmsG: number;
}

/** A centrifugal pump with its motor: vibration at both motor bearings, and what its transmitters measure. */
export class Pump {
  readonly #options: PumpOptions;
  readonly #shaft: Shaft;
  readonly #de: Position;
  readonly #nde: Position;
  readonly #defect: BearingDefect | undefined;
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
    };
    this.#nde = {
      harmonics: harmonics(0.35, 0.2),
      modes: modes([2_700, 0.05, 1], [5_200, 0.05, 0.4]),
      noise: new Noise(random),
      noiseRmsG: 0.025,
    };
    this.#defect = defect && new BearingDefect(defect.kind, findBearing(PUMP_BEARING)!, random);
    this.#scalars = this.#measure();
  }

  /** Seconds since the start of the machine. */
  get timeS(): number {
    return this.#timeS;
  }

  /** Size of the defect, 0 (none) to 1 (heavily damaged): it starts as a trace and grows faster and faster. */
  get severity(): number {
    const { defect } = this.#options;
    if (defect === undefined || this.#timeS < defect.afterS) return 0;
    const progress = Math.min(1, (this.#timeS - defect.afterS) / defect.growthS);
    return FIRST_TRACE ** (1 - progress);
  }

  /** What the transmitters show at the end of the last block. */
  get scalars(): PumpScalars {
    return this.#scalars;
  }

  /** The next `count` samples at both bearings of the motor, acceleration in g. */
  next(count: number): { readonly de: Float32Array; readonly nde: Float32Array } {
    const { sampleRateHz } = this.#options;
    const severity = this.severity;
    if (this.#force.length !== count) this.#force = new Float32Array(count);
    const hits = this.#force.fill(0);
    if (this.#defect !== undefined && severity > 0) {
      const turnsPerSample = this.#shaft.speedHz / sampleRateHz;
      this.#defect.addHits(hits, this.#shaft.turns, turnsPerSample, severity * FULL_HIT_G);
    }
    const de = this.#sense(this.#de, hits, 1);
    const nde = this.#sense(this.#nde, hits, NDE_TRANSMISSION);
    this.#advance(count / sampleRateHz, severity);
    return { de, nde };
  }

  #sense(position: Position, hits: Float32Array, transmission: number): Float32Array {
    const out = new Float32Array(hits.length);
    // The flow shakes the housing all the time: noise goes through its modes as the hits do.
    position.noise.addTo(out, position.noiseRmsG);
    const force = out.slice();
    for (let i = 0; i < force.length; i++) force[i]! += transmission * hits[i]!;
    for (const { resonator, weight } of position.modes) resonator.addResponse(force, out, weight);
    this.#shaft.addHarmonics(out, this.#options.sampleRateHz, position.harmonics);
    return out;
  }

  #advance(durationS: number, severity: number): void {
    this.#timeS += durationS;
    this.#shaft.advance(durationS);
    const targetDegC = AMBIENT_DEG_C + RUNNING_RISE_K + DEFECT_RISE_K * severity;
    this.#temperatureDegC +=
      (targetDegC - this.#temperatureDegC) * (1 - Math.exp(-durationS / THERMAL_TIME_S));
    this.#scalars = this.#measure();
  }

  #measure(): PumpScalars {
    const { random } = this.#options;
    const speedRpm = this.#shaft.speedRpm;
    const share = speedRpm / PUMP_SPEED_RPM;
    return {
      bearingDeTemperatureDegC: this.#temperatureDegC + 0.05 * gaussian(random),
      // Affinity laws: power goes with the cube of the speed, pressure with its square.
      motorCurrentA: RATED_CURRENT_A * 0.82 * share ** 3 + 0.2 * gaussian(random),
      speedRpm,
      dischargePressureBar: 5.4 * share ** 2 + 0.02 * gaussian(random),
    };
  }
}

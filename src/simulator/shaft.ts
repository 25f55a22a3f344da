import { gaussian, type Random } from '../base/random.js';

const TWO_PI = 2 * Math.PI;

/** A component locked to the shaft: `order` times the shaft's turns, with an amplitude. */
export interface Harmonic {
  readonly order: number;
  readonly amplitude: number;
  /** Radians. */
  readonly phase: number;
}

/** Share of the speed by which an asynchronous machine wanders, and how slowly. */
const WANDER_SHARE = 0.002;
const WANDER_TIME_S = 8;
/** Time in which a drive brings its machine to another speed (to 63 % of the way). */
const DRIVE_TIME_S = 3;

/** A rotating shaft whose speed wanders a little around its set value, as that of an asynchronous motor does. */
export class Shaft {
  readonly #nominalHz: number;
  readonly #random: Random;
  /** What the drive is set to, and where the shaft is without its wandering. */
  #setHz: number;
  #meanHz: number;
  #deviation = 0;
  /** Turns since the start. */
  #turns = 0;

  constructor(speedRpm: number, random: Random) {
    this.#nominalHz = speedRpm / 60;
    this.#setHz = this.#nominalHz;
    this.#meanHz = this.#nominalHz;
    this.#random = random;
    this.#deviation = WANDER_SHARE * gaussian(random);
  }

  get speedHz(): number {
    return this.#meanHz * (1 + this.#deviation);
  }

  /** Speed as a share of the rated one. */
  get share(): number {
    return this.speedHz / this.#nominalHz;
  }

  /** Sets the drive to another speed; the shaft follows within some seconds. */
  runAt(speedRpm: number): void {
    this.#setHz = speedRpm / 60;
  }

  get speedRpm(): number {
    return this.speedHz * 60;
  }

  /** Angle at the start of the next block, turns. */
  get turns(): number {
    return this.#turns;
  }

  /** Lets `durationS` pass; the speed of a block is constant, from block to block it wanders (an Ornstein-Uhlenbeck process). */
  advance(durationS: number): void {
    this.#turns += this.speedHz * durationS;
    this.#meanHz += (this.#setHz - this.#meanHz) * (1 - Math.exp(-durationS / DRIVE_TIME_S));
    const decay = Math.exp(-durationS / WANDER_TIME_S);
    this.#deviation =
      this.#deviation * decay + WANDER_SHARE * Math.sqrt(1 - decay ** 2) * gaussian(this.#random);
  }

  /**
   * Adds the harmonics, `gain` times as strong, to a block that starts now. A phasor is turned from sample to sample: no
   * sine per sample.
   */
  addHarmonics(out: Float32Array, sampleRateHz: number, harmonics: readonly Harmonic[], gain = 1): void {
    for (const { order, amplitude, phase } of harmonics) {
      const start = TWO_PI * ((order * this.#turns) % 1) + phase;
      const step = (TWO_PI * order * this.speedHz) / sampleRateHz;
      const stepRe = Math.cos(step);
      const stepIm = Math.sin(step);
      let re = gain * amplitude * Math.cos(start);
      let im = gain * amplitude * Math.sin(start);
      for (let i = 0; i < out.length; i++) {
        out[i]! += im;
        const nextRe = re * stepRe - im * stepIm;
        im = re * stepIm + im * stepRe;
        re = nextRe;
      }
    }
  }
}

/** Acceleration amplitude in g of a vibration velocity in mm/s RMS at a frequency. */
export const velocityAmplitudeG = (velocityRmsMmPerS: number, frequencyHz: number): number =>
  (Math.SQRT2 * velocityRmsMmPerS * 1e-3 * TWO_PI * frequencyHz) / 9.80665;

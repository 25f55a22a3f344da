import { gaussian, type Random } from '../base/random.js';
import { FaultBoard } from './fault-board.js';
import { Noise } from './noise.js';
import { Resonator } from './resonator.js';
import { type Harmonic, Shaft, velocityAmplitudeG } from './shaft.js';
import { SHAFT_FAULTS, shaftFaultHarmonics } from './shaft-faults.js';

export const GEARBOX_FAULTS = ['tooth', ...SHAFT_FAULTS] as const;
export type GearboxFault = (typeof GEARBOX_FAULTS)[number];

export const GEARBOX_SPEED_RPM = 1480;
/** Of the pinion on the input shaft. */
export const PINION_TEETH = 23;

export interface GearboxScalars {
  readonly speedRpm: number;
  readonly oilTemperatureDegC: number;
}

/** Vibration of the mesh, mm/s RMS, of its first three harmonics. */
const MESH_MM_PER_S = [0.5, 0.22, 0.1] as const;
/** The mesh swells by this much at a broken tooth, over this share of a turn. */
const TOOTH_SWELL = 4;
const TOOTH_WIDTH = 0.14;
/** Blow of the tooth behind the gap, g. */
const TOOTH_BLOW_G = 4;
const AMBIENT_DEG_C = 24;
const OIL_RISE_K = 31;
const FAULT_RISE_K = 14;
const THERMAL_TIME_S = 240;

/** A one-stage gearbox with an accelerometer at its input shaft. */
export class Gearbox {
  readonly faults = new FaultBoard(GEARBOX_FAULTS);
  readonly #random: Random;
  readonly #sampleRateHz: number;
  readonly #shaft: Shaft;
  readonly #noise: Noise;
  readonly #housing: Resonator;
  readonly #residual: readonly Harmonic[];
  #timeS = 0;
  #temperatureDegC = AMBIENT_DEG_C + OIL_RISE_K;
  #scalars: GearboxScalars;

  constructor(options: { readonly random: Random; readonly sampleRateHz: number }) {
    const { random, sampleRateHz } = options;
    this.#random = random;
    this.#sampleRateHz = sampleRateHz;
    this.#shaft = new Shaft(GEARBOX_SPEED_RPM, random);
    this.#noise = new Noise(random);
    this.#housing = new Resonator(4_200, 0.05, sampleRateHz);
    this.#residual = [
      { order: 1, amplitude: velocityAmplitudeG(0.2, GEARBOX_SPEED_RPM / 60), phase: 0.4 },
      { order: 2, amplitude: velocityAmplitudeG(0.1, GEARBOX_SPEED_RPM / 30), phase: 1.9 },
    ];
    this.#scalars = this.#measure();
  }

  get timeS(): number {
    return this.#timeS;
  }

  get scalars(): GearboxScalars {
    return this.#scalars;
  }

  runAt(speedRpm: number): void {
    this.#shaft.runAt(speedRpm);
  }

  /** The next `count` samples at the input shaft, acceleration in g. */
  next(count: number): Float32Array {
    const severity = (fault: GearboxFault) => this.faults.severity(fault, this.#timeS);
    const out = new Float32Array(count);
    this.#noise.addTo(out, 0.025);
    const force = out.slice();
    this.#mesh(out, force, severity('tooth'));
    this.#housing.addResponse(force, out, 1);
    const strength = this.#shaft.share ** 2;
    this.#shaft.addHarmonics(out, this.#sampleRateHz, this.#residual, strength);
    this.#shaft.addHarmonics(
      out,
      this.#sampleRateHz,
      shaftFaultHarmonics(severity, GEARBOX_SPEED_RPM),
      strength,
    );
    this.#advance(count / this.#sampleRateHz);
    return out;
  }

  /** The teeth: a tone that swells, lags and strikes once a turn where one of them is broken. */
  #mesh(out: Float32Array, force: Float32Array, broken: number): void {
    const turnsPerSample = this.#shaft.speedHz / this.#sampleRateHz;
    const tones = MESH_MM_PER_S.map((velocity, index) => ({
      order: (index + 1) * PINION_TEETH,
      amplitude:
        this.#shaft.share *
        velocityAmplitudeG(velocity, ((index + 1) * PINION_TEETH * GEARBOX_SPEED_RPM) / 60),
    }));
    let turns = this.#shaft.turns % 1;
    for (let i = 0; i < out.length; i++) {
      const away = Math.abs(turns - Math.round(turns)) / TOOTH_WIDTH;
      const swell = away < 1 && broken > 0 ? broken * (0.5 + 0.5 * Math.cos(Math.PI * away)) : 0;
      let value = 0;
      for (const { order, amplitude } of tones)
        value += amplitude * Math.sin(2 * Math.PI * order * turns + 0.8 * swell);
      out[i]! += value * (1 + TOOTH_SWELL * swell);
      const next = turns + turnsPerSample;
      // The blow falls into the sample in which the turn is full.
      if (next >= 1) {
        if (broken > 0) force[i]! += TOOTH_BLOW_G * broken * (1 + 0.1 * gaussian(this.#random));
        turns = next - 1;
      } else turns = next;
    }
  }

  #advance(durationS: number): void {
    const worst = Math.max(0, ...this.faults.list(this.#timeS).map(({ severity }) => severity));
    this.#timeS += durationS;
    this.#shaft.advance(durationS);
    const target = AMBIENT_DEG_C + OIL_RISE_K * this.#shaft.share + FAULT_RISE_K * worst;
    this.#temperatureDegC += (target - this.#temperatureDegC) * (1 - Math.exp(-durationS / THERMAL_TIME_S));
    this.#scalars = this.#measure();
  }

  #measure(): GearboxScalars {
    return {
      speedRpm: this.#shaft.speedRpm,
      oilTemperatureDegC: this.#temperatureDegC + 0.05 * gaussian(this.#random),
    };
  }
}

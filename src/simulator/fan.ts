import { gaussian, type Random } from '../base/random.js';
import { FaultBoard } from './fault-board.js';
import { Noise } from './noise.js';
import { Resonator } from './resonator.js';
import { type Harmonic, Shaft, velocityAmplitudeG } from './shaft.js';
import { SHAFT_FAULTS, shaftFaultHarmonics } from './shaft-faults.js';

export const FAN_FAULTS = ['rubbing', ...SHAFT_FAULTS] as const;
export type FanFault = (typeof FAN_FAULTS)[number];

export interface FanOptions {
  readonly random: Random;
  /** Of the sound. */
  readonly soundSampleRateHz: number;
  /** Of the vibration at the casing. */
  readonly vibrationSampleRateHz: number;
  readonly speedRpm?: number;
  /** The impeller touches its casing from then on, seconds after the start; never where it is missing. */
  readonly rubbingAfterS?: number;
}

export interface FanScalars {
  readonly speedRpm: number;
  readonly motorTemperatureDegC: number;
}

export const FAN_SPEED_RPM = 1470;

const BLADES = 9;
/** Sound pressure of the first blade-pass tone, Pa (about 74 dB). */
const BLADE_TONE_PA = 0.14;
/** Flow noise, Pa. */
const FLOW_NOISE_PA = 0.12;
const RUB_PA = 0.9;
const RUB_G = 0.6;
const MOTOR_DEG_C = 47;
/** What a fault of full size adds, and the time constant of the motor. */
const FAULT_RISE_K = 16;
const THERMAL_TIME_S = 180;

/** A fan with a microphone beside it and an accelerometer on its casing. */
export class Fan {
  readonly faults = new FaultBoard(FAN_FAULTS);
  readonly #options: FanOptions;
  readonly #shaft: Shaft;
  readonly #tones: readonly Harmonic[];
  readonly #harmonics: readonly Harmonic[];
  readonly #soundNoise: Noise;
  readonly #casingNoise: Noise;
  readonly #duct: Resonator;
  readonly #casing: Resonator;
  #timeS = 0;
  #flow = 0;
  #temperatureDegC = MOTOR_DEG_C;
  #scalars: FanScalars;

  constructor(options: FanOptions) {
    const { random, soundSampleRateHz, vibrationSampleRateHz, speedRpm = FAN_SPEED_RPM } = options;
    const { rubbingAfterS } = options;
    this.#options = options;
    if (rubbingAfterS !== undefined)
      this.faults.start('rubbing', { severity: 1, fromS: rubbingAfterS, growthS: 0 });
    this.#shaft = new Shaft(speedRpm, random);
    const phase = () => 2 * Math.PI * random();
    this.#tones = [1, 2, 3, 4].map((multiple) => ({
      order: BLADES * multiple,
      amplitude: (BLADE_TONE_PA * Math.SQRT2) / multiple ** 1.5,
      phase: phase(),
    }));
    this.#harmonics = (
      [
        [1, 0.45],
        [2, 0.25],
        [BLADES, 0.8],
      ] as const
    ).map(([order, velocityRmsMmPerS]) => ({
      order,
      amplitude: velocityAmplitudeG(velocityRmsMmPerS, (order * speedRpm) / 60),
      phase: phase(),
    }));
    this.#soundNoise = new Noise(random);
    this.#casingNoise = new Noise(random);
    this.#duct = new Resonator(640, 0.08, soundSampleRateHz);
    this.#casing = new Resonator(1_850, 0.05, vibrationSampleRateHz);
    this.#scalars = this.#measure();
  }

  get timeS(): number {
    return this.#timeS;
  }

  /** What the transmitters show at the end of the last block. */
  get scalars(): FanScalars {
    return this.#scalars;
  }

  /** Sets the drive to another speed. */
  runAt(speedRpm: number): void {
    this.#shaft.runAt(speedRpm);
  }

  #severity(fault: FanFault): number {
    return this.faults.severity(fault, this.#timeS);
  }

  /** The next `durationS` of both: sound pressure in Pa, acceleration of the casing in g. */
  next(durationS: number): { readonly sound: Float32Array; readonly casing: Float32Array } {
    const { soundSampleRateHz, vibrationSampleRateHz } = this.#options;
    const sound = this.#sound(Math.round(durationS * soundSampleRateHz), soundSampleRateHz);
    const casing = this.#vibration(Math.round(durationS * vibrationSampleRateHz), vibrationSampleRateHz);
    this.#timeS += durationS;
    this.#shaft.advance(durationS);
    const worst = Math.max(...FAN_FAULTS.map((fault) => this.#severity(fault)));
    const target = MOTOR_DEG_C + FAULT_RISE_K * worst;
    this.#temperatureDegC += (target - this.#temperatureDegC) * (1 - Math.exp(-durationS / THERMAL_TIME_S));
    this.#scalars = this.#measure();
    return { sound, casing };
  }

  #measure(): FanScalars {
    const { random } = this.#options;
    return {
      speedRpm: this.#shaft.speedRpm,
      motorTemperatureDegC: this.#temperatureDegC + 0.1 * gaussian(random),
    };
  }

  #sound(count: number, sampleRateHz: number): Float32Array {
    const white = new Float32Array(count);
    this.#soundNoise.addTo(white, FLOW_NOISE_PA);
    const rubbing = this.#severity('rubbing');
    if (rubbing > 0) this.#rub(white, sampleRateHz, rubbing * RUB_PA);
    const out = new Float32Array(count);
    // Flow noise falls with frequency: a first-order low-pass at about 600 Hz beside some of the white noise.
    const share = 1 - Math.exp((-2 * Math.PI * 600) / sampleRateHz);
    let flow = this.#flow;
    for (let i = 0; i < count; i++) {
      flow += share * (white[i]! - flow);
      out[i] = 2 * flow + 0.15 * white[i]!;
    }
    this.#flow = flow;
    this.#duct.addResponse(white, out, 0.15);
    // The tone of the blades grows with about the fifth power of the speed in power, 2.5 in pressure.
    this.#shaft.addHarmonics(out, sampleRateHz, this.#tones, this.#shaft.share ** 2.5);
    return out;
  }

  #vibration(count: number, sampleRateHz: number): Float32Array {
    const out = new Float32Array(count);
    this.#casingNoise.addTo(out, 0.02);
    const force = out.slice();
    const rubbing = this.#severity('rubbing');
    if (rubbing > 0) this.#rub(force, sampleRateHz, rubbing * RUB_G);
    this.#casing.addResponse(force, out, 1);
    const { speedRpm = FAN_SPEED_RPM } = this.#options;
    const strength = this.#shaft.share ** 2;
    this.#shaft.addHarmonics(out, sampleRateHz, this.#harmonics, strength);
    const faults = shaftFaultHarmonics((fault) => this.#severity(fault), speedRpm);
    this.#shaft.addHarmonics(out, sampleRateHz, faults, strength);
    return out;
  }

  /** Once a turn the impeller scrapes along the casing for an eighth of a turn. */
  #rub(out: Float32Array, sampleRateHz: number, amplitude: number): void {
    const { random } = this.#options;
    const turnsPerSample = this.#shaft.speedHz / sampleRateHz;
    let angle = this.#shaft.turns % 1;
    for (let i = 0; i < out.length; i++) {
      if (angle < 0.125) out[i]! += amplitude * Math.sin(Math.PI * 8 * angle) * (2 * random() - 1);
      angle += turnsPerSample;
      if (angle >= 1) angle -= 1;
    }
  }
}

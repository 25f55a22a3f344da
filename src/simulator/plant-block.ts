import type { FanScalars } from './fan.js';
import type { GearboxScalars } from './gearbox.js';
import type { PumpScalars } from './pump.js';

export const VIBRATION_SAMPLE_RATE_HZ = 25_600;
export const SOUND_SAMPLE_RATE_HZ = 16_000;
/** Length of one step of the plant: 4096 vibration samples, 2560 of sound. */
export const BLOCK_MS = 160;

/** What the whole plant did in one step. */
export interface PlantBlock {
  /** Running number of the step, from 0. */
  readonly sequence: number;
  /** Time of its first sample, milliseconds since the Unix epoch. */
  readonly startTimeMs: number;
  readonly pump: {
    /** Acceleration at the drive end and at the other end of the motor, g. */
    readonly de: Float32Array;
    readonly nde: Float32Array;
    readonly scalars: PumpScalars;
  };
  readonly fan: {
    /** Sound pressure at the inlet, Pa. */
    readonly sound: Float32Array;
    /** Acceleration of the casing, g. */
    readonly casing: Float32Array;
    readonly scalars: FanScalars;
  };
  /** Absent where the plant has no gearbox. */
  readonly gearbox?: {
    /** Acceleration at the input shaft, g. */
    readonly vibration: Float32Array;
    readonly scalars: GearboxScalars;
  };
}

/** A way by which the plant's sensors speak: one protocol, one server or client. */
export interface PlantOutput {
  send(block: PlantBlock): void;
  stop(): Promise<void>;
}

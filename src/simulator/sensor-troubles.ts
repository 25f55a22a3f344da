import type { PlantBlock } from './plant-block.js';

/** What can be wrong with a sensor of waveforms. */
export const SENSOR_TROUBLES = ['dead', 'clip', 'dropout', 'offset'] as const;
export type SensorTrouble = (typeof SENSOR_TROUBLES)[number];

/** The waveforms of the plant by the names of their points. */
export const WAVEFORMS = {
  'pump-1.bearing-de.acceleration': ({ pump }: PlantBlock) => pump.de,
  'pump-1.bearing-nde.acceleration': ({ pump }: PlantBlock) => pump.nde,
  'fan-1.casing.acceleration': ({ fan }: PlantBlock) => fan.casing,
  'fan-1.inlet.sound-pressure': ({ fan }: PlantBlock) => fan.sound,
  'gearbox-1.input-shaft.acceleration': ({ gearbox }: PlantBlock) => gearbox?.vibration,
} as const;
export type WaveformPoint = keyof typeof WAVEFORMS;

/** What a sensor shows whose cable is broken. */
const DEAD_VALUE = 0;
/** A sensor of too small a range cuts off here, in RMS values of the signal. */
const CLIP_RMS = 2;
/** Share of a block that a loose plug leaves out. */
const DROPOUT_SHARE = 0.25;
/** A bias that has gone wrong, in the unit of the sensor. */
const OFFSET = 8;

/** Spoils waveforms between the machine and its wire. */
export class SensorTroubles {
  readonly #troubles = new Map<WaveformPoint, SensorTrouble>();

  set(point: WaveformPoint, trouble: SensorTrouble): void {
    this.#troubles.set(point, trouble);
  }

  clear(): void {
    this.#troubles.clear();
  }

  list(): string[] {
    return [...this.#troubles].map(([point, trouble]) => `${point} ${trouble}`);
  }

  apply(block: PlantBlock): void {
    for (const [point, trouble] of this.#troubles) {
      const samples = WAVEFORMS[point](block);
      if (samples !== undefined) spoil(samples, trouble);
    }
  }
}

function spoil(samples: Float32Array, trouble: SensorTrouble): void {
  switch (trouble) {
    case 'dead':
      samples.fill(DEAD_VALUE);
      return;
    case 'clip': {
      const limit = CLIP_RMS * rms(samples);
      for (let i = 0; i < samples.length; i++) samples[i] = Math.max(-limit, Math.min(limit, samples[i]!));
      return;
    }
    case 'dropout': {
      const from = Math.floor(samples.length / 3);
      samples.fill(samples[from]!, from, from + Math.floor(samples.length * DROPOUT_SHARE));
      return;
    }
    case 'offset':
      for (let i = 0; i < samples.length; i++) samples[i]! += OFFSET;
  }
}

function rms(samples: Float32Array): number {
  let sum = 0;
  for (const value of samples) sum += value * value;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

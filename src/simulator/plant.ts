import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import type { DefectKind } from './bearing-defect.js';
import { Fan } from './fan.js';
import { MqttOutput } from './mqtt-output.js';
import {
  BLOCK_MS,
  type PlantBlock,
  type PlantOutput,
  SOUND_SAMPLE_RATE_HZ,
  VIBRATION_SAMPLE_RATE_HZ,
} from './plant-block.js';
import { Pump } from './pump.js';

export interface PlantOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** When the pump's bearing starts to fail; default one minute. */
  readonly faultAfterMs?: number;
  /** From the first trace to a heavily damaged bearing; default three minutes. */
  readonly faultGrowthMs?: number;
  /** What fails in the bearing; default its outer race. */
  readonly defect?: DefectKind;
  /** When the fan's impeller starts to rub; never where it is missing. */
  readonly rubbingAfterMs?: number;
  /** The broker that the plant's MQTT sensors publish to; it need not be there yet. */
  readonly mqtt?: { readonly url: string };
}

/** Where the plant can be reached, for the configuration of a gateway. */
export interface PlantEndpoints {
  readonly mqtt?: { readonly url: string };
}

export interface Plant {
  readonly endpoints: PlantEndpoints;
  stop(): Promise<void>;
}

/** A plant that was held up (a suspended laptop) catches up with this many steps and leaves out the others. */
const MAX_CATCH_UP = 10;

/** The machines, stepped: pure but for the clock that stamps the blocks. */
export class PlantMachines {
  readonly #pump: Pump;
  readonly #fan: Fan;
  #sequence = 0;

  constructor(options: Omit<PlantOptions, 'clock' | 'logger' | 'mqtt'>) {
    const {
      random,
      faultAfterMs = 60_000,
      faultGrowthMs = 180_000,
      defect = 'outer',
      rubbingAfterMs,
    } = options;
    this.#pump = new Pump({
      random,
      sampleRateHz: VIBRATION_SAMPLE_RATE_HZ,
      defect: { kind: defect, afterS: faultAfterMs / 1000, growthS: faultGrowthMs / 1000 },
    });
    this.#fan = new Fan({
      random,
      soundSampleRateHz: SOUND_SAMPLE_RATE_HZ,
      vibrationSampleRateHz: VIBRATION_SAMPLE_RATE_HZ,
      ...(rubbingAfterMs === undefined ? {} : { rubbingAfterS: rubbingAfterMs / 1000 }),
    });
  }

  /** The next step; its first sample was taken at `startTimeMs`. */
  next(startTimeMs: number): PlantBlock {
    const vibration = this.#pump.next((VIBRATION_SAMPLE_RATE_HZ * BLOCK_MS) / 1000);
    const { sound, casing } = this.#fan.next(BLOCK_MS / 1000);
    return {
      sequence: this.#sequence++,
      startTimeMs,
      pump: { ...vibration, scalars: this.#pump.scalars },
      fan: { sound, casing, scalars: this.#fan.scalars },
    };
  }
}

/** Starts the virtual plant: machines whose sensors speak over real protocols. */
export async function startPlant(options: PlantOptions): Promise<Plant> {
  const { clock, logger, mqtt } = options;
  const outputs: PlantOutput[] = [];
  if (mqtt !== undefined) outputs.push(await MqttOutput.start(mqtt.url, logger));

  const machines = new PlantMachines(options);
  const startWallMs = clock.nowMs();
  const startMs = clock.monotonicMs();
  let done = 0;
  let timer: Timer | undefined;

  const step = (): void => {
    const due = Math.floor((clock.monotonicMs() - startMs) / BLOCK_MS);
    if (due - done > MAX_CATCH_UP) done = due - MAX_CATCH_UP;
    for (; done < due; done++) {
      const block = machines.next(startWallMs + done * BLOCK_MS);
      for (const output of outputs) output.send(block);
    }
    timer = clock.setTimer('plant step', startMs + (done + 1) * BLOCK_MS - clock.monotonicMs(), step);
  };
  step();

  return {
    endpoints: mqtt === undefined ? {} : { mqtt },
    async stop() {
      timer?.cancel();
      await Promise.all(outputs.map((output) => output.stop()));
    },
  };
}

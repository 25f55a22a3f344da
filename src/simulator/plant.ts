import type { Clock, Timer } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import type { DefectKind } from './bearing-defect.js';
import { Fan } from './fan.js';
import { ModbusOutput } from './modbus-output.js';
import { MqttOutput } from './mqtt-output.js';
import {
  BLOCK_MS,
  type PlantBlock,
  type PlantOutput,
  SOUND_SAMPLE_RATE_HZ,
  VIBRATION_SAMPLE_RATE_HZ,
} from './plant-block.js';
import { Pump } from './pump.js';
import { SerialOutput } from './serial-output.js';

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
  /** Where the Modbus TCP server listens; default a free port of the loopback. */
  readonly modbus?: ListenOptions;
  /** Where the serial device server listens; default a free port of the loopback. */
  readonly serial?: ListenOptions;
}

export interface ListenOptions {
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port?: number;
}

/** Where the plant can be reached, for the configuration of a gateway. */
export interface PlantEndpoints {
  readonly modbus: { readonly host: string; readonly port: number };
  readonly serial: { readonly host: string; readonly port: number };
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

  constructor(options: Omit<PlantOptions, 'clock' | 'logger' | 'mqtt' | 'modbus' | 'serial'>) {
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
  const modbusHost = options.modbus?.host ?? '127.0.0.1';
  const serialHost = options.serial?.host ?? '127.0.0.1';
  const outputs: PlantOutput[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(outputs.map((output) => output.stop()));
  };
  let modbus: ModbusOutput;
  let serial: SerialOutput;
  try {
    modbus = await ModbusOutput.start(modbusHost, options.modbus?.port ?? 0);
    outputs.push(modbus);
    serial = await SerialOutput.start(serialHost, options.serial?.port ?? 0);
    outputs.push(serial);
    if (mqtt !== undefined) outputs.push(await MqttOutput.start(mqtt.url, logger));
  } catch (cause) {
    await stop();
    throw new SmEdgeError('PLANT_LISTEN', `the virtual plant cannot start: ${(cause as Error).message}`, {
      hint: 'is another one running? choose other ports, or 0 for free ones',
      cause,
    });
  }

  const machines = new PlantMachines(options);
  // The first step lies behind already, so that every server has something to show from the start.
  const startWallMs = clock.nowMs() - BLOCK_MS;
  const startMs = clock.monotonicMs() - BLOCK_MS;
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
    endpoints: {
      modbus: { host: modbusHost, port: modbus.port },
      serial: { host: serialHost, port: serial.port },
      ...(mqtt === undefined ? {} : { mqtt }),
    },
    async stop() {
      timer?.cancel();
      await stop();
    },
  };
}

import type { Clock, Timer } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import type { DefectKind } from './bearing-defect.js';
import { Fan } from './fan.js';
import type { FaultBoard } from './fault-board.js';
import { Gearbox } from './gearbox.js';
import { GEARBOX_UNIT_ID, ModbusOutput, PLANT_REGISTERS } from './modbus-output.js';
import { MqttOutput, MqttTroubles } from './mqtt-output.js';
import {
  BLOCK_MS,
  type PlantBlock,
  type PlantOutput,
  SOUND_SAMPLE_RATE_HZ,
  VIBRATION_SAMPLE_RATE_HZ,
} from './plant-block.js';
import { PseudoPort } from './pseudo-port.js';
import { Pump } from './pump.js';
import { SensorTroubles } from './sensor-troubles.js';
import { SerialOutput } from './serial-output.js';
import { FrameTroubles, UnitTroubles } from './troubles.js';

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
  /** A gearbox beside the pump and the fan; default none. */
  readonly gearbox?: boolean;
  /** The broker that the plant's MQTT sensors publish to; it need not be there yet. */
  readonly mqtt?: { readonly url: string };
  /** Where the Modbus TCP server listens; default a free port of the loopback. */
  readonly modbus?: ListenOptions;
  /** Where the serial device server listens; default a free port of the loopback. */
  readonly serial?: ListenOptions;
  /** Where the device server of the RTU line listens; default a free port of the loopback. */
  readonly rtu?: { readonly port?: number };
  /** Pseudo terminals, made by socat, in front of the two lines: names of files that are not there yet. */
  readonly ports?: { readonly rtu?: string; readonly serial?: string };
}

export interface ListenOptions {
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port?: number;
}

/** Where the plant can be reached, for the configuration of a gateway. */
export interface PlantEndpoints {
  readonly modbus: { readonly host: string; readonly port: number };
  /** The transmitters once more, on an RTU line: through a device server, and at `path` where a port was asked for. */
  readonly rtu: { readonly host: string; readonly port: number; readonly path?: string };
  readonly serial: { readonly host: string; readonly port: number; readonly path?: string };
  readonly mqtt?: { readonly url: string };
  readonly gearbox: boolean;
}

/** What can be done to a plant that runs: its machines, its sensors and its wires. */
export interface PlantControls {
  readonly machines: PlantMachines;
  readonly sensors: SensorTroubles;
  readonly units: UnitTroubles;
  /** The RTU line, and that of the vibration node. */
  readonly rtuFrames: FrameTroubles;
  readonly serialFrames: FrameTroubles;
  readonly mqttTroubles: MqttTroubles;
  readonly modbus: ModbusOutput;
  readonly serial: SerialOutput;
  readonly mqtt: MqttOutput | undefined;
  readonly rtuPort: PseudoPort | undefined;
  readonly serialPort: PseudoPort | undefined;
}

export interface Plant {
  readonly endpoints: PlantEndpoints;
  readonly controls: PlantControls;
  stop(): Promise<void>;
}

/** A plant that was held up (a suspended laptop) catches up with this many steps and leaves out the others. */
const MAX_CATCH_UP = 10;

/** A machine of the plant, as commands see it. */
export interface PlantMachine {
  readonly faults: FaultBoard<string>;
  /** Seconds since its start. */
  readonly timeS: number;
  runAt(speedRpm: number): void;
}

type MachineOptions = Pick<
  PlantOptions,
  'random' | 'faultAfterMs' | 'faultGrowthMs' | 'defect' | 'rubbingAfterMs' | 'gearbox'
>;

/** The machines, stepped: pure but for the clock that stamps the blocks. */
export class PlantMachines {
  readonly #pump: Pump;
  readonly #fan: Fan;
  readonly #gearbox: Gearbox | undefined;
  #sequence = 0;

  constructor(options: MachineOptions) {
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
      ...(Number.isFinite(faultAfterMs)
        ? { defect: { kind: defect, afterS: faultAfterMs / 1000, growthS: faultGrowthMs / 1000 } }
        : {}),
    });
    this.#fan = new Fan({
      random,
      soundSampleRateHz: SOUND_SAMPLE_RATE_HZ,
      vibrationSampleRateHz: VIBRATION_SAMPLE_RATE_HZ,
      ...(rubbingAfterMs === undefined ? {} : { rubbingAfterS: rubbingAfterMs / 1000 }),
    });
    this.#gearbox =
      options.gearbox === true ? new Gearbox({ random, sampleRateHz: VIBRATION_SAMPLE_RATE_HZ }) : undefined;
  }

  /** By their names. */
  get all(): ReadonlyMap<string, PlantMachine> {
    return new Map<string, PlantMachine>([
      ['pump-1', this.#pump],
      ['fan-1', this.#fan],
      ...(this.#gearbox === undefined ? [] : [['gearbox-1', this.#gearbox] as const]),
    ]);
  }

  /** The next step; its first sample was taken at `startTimeMs`. */
  next(startTimeMs: number): PlantBlock {
    const count = (VIBRATION_SAMPLE_RATE_HZ * BLOCK_MS) / 1000;
    const vibration = this.#pump.next(count);
    const { sound, casing } = this.#fan.next(BLOCK_MS / 1000);
    const gearbox = this.#gearbox;
    return {
      sequence: this.#sequence++,
      startTimeMs,
      pump: { ...vibration, scalars: this.#pump.scalars },
      fan: { sound, casing, scalars: this.#fan.scalars },
      ...(gearbox === undefined
        ? {}
        : { gearbox: { vibration: gearbox.next(count), scalars: gearbox.scalars } }),
    };
  }
}

/** Starts the virtual plant: machines whose sensors speak over real protocols. */
export async function startPlant(options: PlantOptions): Promise<Plant> {
  const { clock } = options;
  const modbusHost = options.modbus?.host ?? '127.0.0.1';
  const serialHost = options.serial?.host ?? '127.0.0.1';
  const cleanUp: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(cleanUp.map((one) => one()));
  };
  const machines = new PlantMachines(options);
  let controls: PlantControls;
  try {
    controls = await open(options, machines, modbusHost, serialHost, cleanUp);
  } catch (cause) {
    await stop();
    if (cause instanceof SmEdgeError) throw cause;
    throw new SmEdgeError('PLANT_LISTEN', `the virtual plant cannot start: ${(cause as Error).message}`, {
      hint: 'is another one running? choose other ports, or 0 for free ones',
      cause,
    });
  }

  const { sensors, modbus, serial, mqtt, rtuPort, serialPort } = controls;
  const outputs: PlantOutput[] = [modbus, serial, ...(mqtt === undefined ? [] : [mqtt])];
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
      sensors.apply(block);
      for (const output of outputs) output.send(block);
    }
    timer = clock.setTimer('plant step', startMs + (done + 1) * BLOCK_MS - clock.monotonicMs(), step);
  };
  step();

  const path = (port: PseudoPort | undefined) => (port === undefined ? {} : { path: port.path });
  return {
    endpoints: {
      modbus: { host: modbusHost, port: modbus.port },
      rtu: { host: modbusHost, port: modbus.rtuPort, ...path(rtuPort) },
      serial: { host: serialHost, port: serial.port, ...path(serialPort) },
      ...(options.mqtt === undefined ? {} : { mqtt: options.mqtt }),
      gearbox: options.gearbox === true,
    },
    controls,
    async stop() {
      timer?.cancel();
      await stop();
    },
  };
}

/** Opens the servers and ports; each puts into `cleanUp` how it is closed again. */
async function open(
  options: PlantOptions,
  machines: PlantMachines,
  modbusHost: string,
  serialHost: string,
  cleanUp: (() => Promise<void>)[],
): Promise<PlantControls> {
  const { clock, random, logger } = options;
  const sensors = new SensorTroubles();
  const units = new UnitTroubles();
  const rtuFrames = new FrameTroubles(random);
  const serialFrames = new FrameTroubles(random);
  const mqttTroubles = new MqttTroubles();
  const modbus = await ModbusOutput.start({
    clock,
    host: modbusHost,
    port: options.modbus?.port ?? 0,
    rtuPort: options.rtu?.port ?? 0,
    registers: PLANT_REGISTERS.filter(({ unitId }) => options.gearbox === true || unitId !== GEARBOX_UNIT_ID),
    units,
    frames: rtuFrames,
  });
  cleanUp.push(() => modbus.stop());
  const serial = await SerialOutput.start(serialHost, options.serial?.port ?? 0, serialFrames);
  cleanUp.push(() => serial.stop());
  const mqtt =
    options.mqtt === undefined
      ? undefined
      : await MqttOutput.start(options.mqtt.url, logger, mqttTroubles, random);
  if (mqtt !== undefined) cleanUp.push(() => mqtt.stop());
  const portAt = async (path: string | undefined, tcpPort: number) => {
    if (path === undefined) return undefined;
    const port = new PseudoPort(path, tcpPort, clock);
    await port.plug();
    cleanUp.push(() => port.unplug());
    return port;
  };
  const rtuPort = await portAt(options.ports?.rtu, modbus.rtuPort);
  const serialPort = await portAt(options.ports?.serial, serial.port);
  return {
    machines,
    sensors,
    units,
    rtuFrames,
    serialFrames,
    mqttTroubles,
    modbus,
    serial,
    mqtt,
    rtuPort,
    serialPort,
  };
}

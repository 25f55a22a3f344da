import type { Clock } from '../base/clock.js';
import { RtuLineServer } from './modbus/rtu-server.js';
import { ModbusServer, type RegisterProvider, type RegisterTable } from './modbus/server.js';
import type { PlantBlock, PlantOutput } from './plant-block.js';
import type { FrameTroubles, UnitTroubles } from './troubles.js';

export const PUMP_UNIT_ID = 1;
export const FAN_UNIT_ID = 2;
export const GEARBOX_UNIT_ID = 3;

/** One input register of a transmitter: the value is the register × scale. */
export interface PlantRegister {
  readonly unitId: number;
  readonly point: string;
  readonly address: number;
  readonly type: 'int16' | 'uint16';
  readonly scale: number;
  readonly unit: string;
  /** Undefined where that machine is not in the plant. */
  readonly value: (block: PlantBlock) => number | undefined;
}

/** What the plant's transmitters offer. */
export const PLANT_REGISTERS: readonly PlantRegister[] = [
  {
    unitId: PUMP_UNIT_ID,
    point: 'pump-1.bearing-de.temperature',
    address: 16,
    type: 'int16',
    scale: 0.1,
    unit: 'degC',
    value: ({ pump }) => pump.scalars.bearingDeTemperatureDegC,
  },
  {
    unitId: PUMP_UNIT_ID,
    point: 'pump-1.motor.current',
    address: 17,
    type: 'uint16',
    scale: 0.01,
    unit: 'A',
    value: ({ pump }) => pump.scalars.motorCurrentA,
  },
  {
    unitId: PUMP_UNIT_ID,
    point: 'pump-1.shaft.speed',
    address: 18,
    type: 'uint16',
    scale: 0.1,
    unit: 'rpm',
    value: ({ pump }) => pump.scalars.speedRpm,
  },
  {
    unitId: PUMP_UNIT_ID,
    point: 'pump-1.outlet.pressure',
    address: 19,
    type: 'uint16',
    scale: 0.001,
    unit: 'bar',
    value: ({ pump }) => pump.scalars.dischargePressureBar,
  },
  {
    unitId: FAN_UNIT_ID,
    point: 'fan-1.shaft.speed',
    address: 16,
    type: 'uint16',
    scale: 0.1,
    unit: 'rpm',
    value: ({ fan }) => fan.scalars.speedRpm,
  },
  {
    unitId: GEARBOX_UNIT_ID,
    point: 'gearbox-1.oil.temperature',
    address: 16,
    type: 'int16',
    scale: 0.1,
    unit: 'degC',
    value: ({ gearbox }) => gearbox?.scalars.oilTemperatureDegC,
  },
  {
    unitId: GEARBOX_UNIT_ID,
    point: 'gearbox-1.input-shaft.speed',
    address: 17,
    type: 'uint16',
    scale: 0.1,
    unit: 'rpm',
    value: ({ gearbox }) => gearbox?.scalars.speedRpm,
  },
];

const ILLEGAL_DATA_ADDRESS = { exception: 2 };
/** What a transmitter shows where it could not measure; an int16 reads it as -32768. */
export const NOT_MEASURED = 0x8000;

/** The registers as they stand after the last step, and what is wrong with their units. */
export class PlantRegisters implements RegisterProvider {
  readonly #values = new Map<string, number>();
  readonly #registers: readonly PlantRegister[];
  readonly #troubles: UnitTroubles;

  constructor(registers: readonly PlantRegister[], troubles: UnitTroubles) {
    this.#registers = registers;
    this.#troubles = troubles;
  }

  update(block: PlantBlock): void {
    for (const register of this.#registers) {
      const value = register.value(block);
      if (value === undefined) continue;
      const raw = Math.round(value / register.scale);
      this.#values.set(`${register.unitId}/${register.address}`, raw & 0xffff);
    }
  }

  delayMs(): number {
    return this.#troubles.lateMs;
  }

  read(table: RegisterTable, unitId: number, address: number, count: number) {
    const registers = this.#registers.filter((register) => register.unitId === unitId);
    // A unit that is not there does not answer, as on a serial line behind a gateway.
    if (registers.length === 0 || this.#troubles.isSilent(unitId)) return undefined;
    const exception = this.#troubles.exceptionOf(unitId);
    if (exception !== undefined) return { exception };
    const wanted = Array.from({ length: count }, (_, i) => address + i);
    const known = wanted.every((at) => registers.some((register) => register.address === at));
    if (table !== 'input' || !known) return ILLEGAL_DATA_ADDRESS;
    return wanted.map((at) => this.#values.get(`${unitId}/${at}`) ?? NOT_MEASURED);
  }
}

/** The transmitters of the plant: behind a Modbus TCP server, and on an RTU line behind a device server. */
export class ModbusOutput implements PlantOutput {
  readonly #registers: PlantRegisters;
  readonly #tcp: ModbusServer;
  readonly #rtu: RtuLineServer;
  readonly port: number;
  /** Port of the device server in front of the RTU line. */
  readonly rtuPort: number;

  private constructor(
    registers: PlantRegisters,
    tcp: ModbusServer,
    rtu: RtuLineServer,
    ports: { readonly tcp: number; readonly rtu: number },
  ) {
    this.#registers = registers;
    this.#tcp = tcp;
    this.#rtu = rtu;
    this.port = ports.tcp;
    this.rtuPort = ports.rtu;
  }

  static async start(options: {
    readonly clock: Clock;
    readonly host: string;
    readonly port: number;
    readonly rtuPort: number;
    readonly registers: readonly PlantRegister[];
    readonly units: UnitTroubles;
    readonly frames: FrameTroubles;
  }): Promise<ModbusOutput> {
    const { clock, host, port, rtuPort, registers, units, frames } = options;
    const provider = new PlantRegisters(registers, units);
    const tcp = new ModbusServer(provider, clock);
    const bound = await tcp.start(port, host);
    const rtu = new RtuLineServer(provider, clock, (frame) => frames.pieces(frame));
    try {
      const line = await rtu.start(rtuPort, host);
      return new ModbusOutput(provider, tcp, rtu, { tcp: bound.port, rtu: line.port });
    } catch (thrown) {
      await tcp.stop();
      throw thrown;
    }
  }

  send(block: PlantBlock): void {
    this.#registers.update(block);
  }

  /** Breaks every connection; the servers go on listening. */
  cut(): void {
    this.#tcp.disconnectAll();
    this.#rtu.disconnectAll();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#tcp.stop(), this.#rtu.stop()]);
  }
}

import { ModbusServer, type RegisterProvider } from './modbus/server.js';
import type { PlantBlock, PlantOutput } from './plant-block.js';

export const PUMP_UNIT_ID = 1;
export const FAN_UNIT_ID = 2;

/** One input register of a transmitter: the value is the register × scale. */
export interface PlantRegister {
  readonly unitId: number;
  readonly point: string;
  readonly address: number;
  readonly type: 'int16' | 'uint16';
  readonly scale: number;
  readonly unit: string;
  readonly value: (block: PlantBlock) => number;
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
];

const ILLEGAL_DATA_ADDRESS = { exception: 2 };
/** What a transmitter shows where it could not measure; an int16 reads it as -32768. */
export const NOT_MEASURED = 0x8000;

/** The registers as they stand after the last step. */
export class PlantRegisters implements RegisterProvider {
  readonly #values = new Map<string, number>();

  update(block: PlantBlock): void {
    for (const register of PLANT_REGISTERS) {
      const raw = Math.round(register.value(block) / register.scale);
      this.#values.set(`${register.unitId}/${register.address}`, raw & 0xffff);
    }
  }

  read(table: string, unitId: number, address: number, count: number) {
    const registers = PLANT_REGISTERS.filter((register) => register.unitId === unitId);
    // A unit that is not there does not answer, as on a serial line behind a gateway.
    if (registers.length === 0) return undefined;
    const wanted = Array.from({ length: count }, (_, i) => address + i);
    const known = wanted.every((at) => registers.some((register) => register.address === at));
    if (table !== 'input' || !known) return ILLEGAL_DATA_ADDRESS;
    return wanted.map((at) => this.#values.get(`${unitId}/${at}`) ?? NOT_MEASURED);
  }
}

/** The transmitters of the plant behind a Modbus TCP server. */
export class ModbusOutput implements PlantOutput {
  readonly #registers: PlantRegisters;
  readonly #server: ModbusServer;
  readonly port: number;

  private constructor(registers: PlantRegisters, server: ModbusServer, port: number) {
    this.#registers = registers;
    this.#server = server;
    this.port = port;
  }

  static async start(host: string, port: number): Promise<ModbusOutput> {
    const registers = new PlantRegisters();
    const server = new ModbusServer(registers);
    const bound = await server.start(port, host);
    return new ModbusOutput(registers, server, bound.port);
  }

  send(block: PlantBlock): void {
    this.#registers.update(block);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { ModbusServer, type RegisterProvider } from '#sm/simulator/modbus/server.js';
import { encodeValue } from '#sm/sources/modbus/encode.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { encodePdu } from '#sm/sources/modbus/protocol.js';
import { BYTE_ORDERS, decodeValue, naturalOrder } from '#sm/sources/modbus/values.js';
import { isPointWriter, type PointWriter } from '#sm/sources/part.js';
import { ModbusPeer, requireLibmodbus } from '../../support/modbus-peers.js';
import { run, until } from '../support.js';
import { listenForPdus } from './pdu-server.js';

const libmodbus = requireLibmodbus();

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

const point = (name: string, register: string, address: number, more: object = {}) => ({
  point: `m.${name}`,
  register,
  address,
  writable: {},
  ...more,
});

async function start(port: number, points: object[], timeout = '60s'): Promise<PointWriter> {
  const running = await run(modbusPart, {
    connection: { transport: 'tcp', host: '127.0.0.1', port, timeout },
    units: [{ unitId: 1, interval: '100ms', points }],
  });
  open.push(running.source);
  await until(() => expect(running.readings.length).toBeGreaterThan(0));
  if (!isPointWriter(running.source)) throw new Error('no writer');
  return running.source;
}

describe('a value as registers', () => {
  const types = [
    ['int16', -(2 ** 15), 2 ** 15 - 1],
    ['uint16', 0, 2 ** 16 - 1],
    ['int32', -(2 ** 31), 2 ** 31 - 1],
    ['uint32', 0, 2 ** 32 - 1],
    ['int64', -(2 ** 53), 2 ** 53],
    ['uint64', 0, 2 ** 53],
    ['bcd16', 0, 9_999],
    ['bcd32', 0, 99_999_999],
    ['bcd64', 0, 2 ** 53],
  ] as const;

  it.each(types)('%s reads back as what was written, in every order', (type, min, max) => {
    const orders = BYTE_ORDERS.filter((order) => order.length === naturalOrder(type).length);
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.constantFrom(...orders), (any, order) => {
        const value = Math.max(min, Math.min(max, any % 2 === 0 ? any : Math.trunc(any / 2 ** 40))) + 0;
        const shape = { type, order, bit: 0 };
        const bytes = Buffer.from(encodeValue(value, shape).flatMap((one) => [one >> 8, one & 0xff]));
        expect(decodeValue(bytes, 0, shape)).toBe(value);
      }),
    );
    const shape = { type, order: naturalOrder(type), bit: 0 };
    for (const beyond of [-1e20, 1e20, Number.NaN, Infinity])
      expect(() => encodeValue(beyond, shape)).toThrow(/cannot hold/);
  });

  it.each(['float32', 'float64'] as const)('%s reads back too', (type) => {
    const orders = BYTE_ORDERS.filter((order) => order.length === naturalOrder(type).length);
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(...orders),
        (value, order) => {
          const shape = { type, order, bit: 0 };
          const bytes = Buffer.from(encodeValue(value, shape).flatMap((one) => [one >> 8, one & 0xff]));
          expect(decodeValue(bytes, 0, shape)).toBe(value);
        },
      ),
    );
    expect(() => encodeValue(1e300 ** 2, { type, order: naturalOrder(type), bit: 0 })).toThrow();
  });

  it('goes out as in the examples of the specification (clauses 6.5, 6.6, 6.11, 6.12)', () => {
    const pdu = (request: Parameters<typeof encodePdu>[0]) => encodePdu(request).toString('hex');
    const coil = { unitId: 1, write: 'coil' } as const;
    const holding = { unitId: 1, write: 'holding' } as const;
    expect(pdu({ ...coil, address: 0xac, values: [1] })).toBe('0500acff00');
    expect(pdu({ ...holding, address: 1, values: [3] })).toBe('0600010003');
    const bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 0];
    expect(pdu({ ...coil, address: 0x13, values: bits })).toBe('0f0013000a02cd01');
    expect(pdu({ ...holding, address: 1, values: [10, 0x0102] })).toBe('100001000204000a0102');
  });
});

describe('writing to a point', () => {
  it.skipIf(!libmodbus)('is taken by libmodbus: functions 5, 6, 15 and 16', async () => {
    const { peer, port } = await ModbusPeer.libmodbusTcp();
    open.push(peer);
    const source = await start(port, [
      point('setpoint', 'holding', 40, {
        type: 'int16',
        scale: 0.1,
        unit: 'degC',
        writable: { range: [5, 60] },
      }),
      point('always16', 'holding', 41, { writable: { multiple: true } }),
      point('float', 'holding', 50, { type: 'float32', order: 'CDAB' }),
      point('counter', 'holding', 60, { type: 'uint64', order: 'GHEFCDAB' }),
      point('coil', 'coil', 70),
      point('always15', 'coil', 71, { writable: { multiple: true } }),
      { ...point('other', 'holding', 42), writable: undefined },
    ]);
    expect(await source.write('m.setpoint', 21.5)).toEqual({
      point: 'm.setpoint',
      value: 21.5,
      unit: 'degC',
      before: 4,
      after: 21.5,
    });
    expect(await source.write('m.always16', 7)).toMatchObject({ before: 41, after: 7 });
    expect(await source.write('m.float', -273.25)).toMatchObject({ after: -273.25 });
    expect(await source.write('m.counter', 1_234_567_890_123)).toMatchObject({ after: 1_234_567_890_123 });
    expect(await source.write('m.coil', 1)).toMatchObject({ before: 0, after: 1 });
    expect(await source.write('m.always15', 1)).toMatchObject({ before: 0, after: 1 });
  });

  it('is refused, and nothing sent, where the point is read only or the value not allowed', async () => {
    const writes: number[] = [];
    const provider: RegisterProvider = {
      read: (_table, _unit, _address, count) => Array(count).fill(1),
      write(_table, _unit, address) {
        writes.push(address);
        return undefined;
      },
    };
    const server = new ModbusServer(provider);
    open.push(server);
    const { port } = await server.start();
    const source = await start(port, [
      { ...point('fixed', 'holding', 1), writable: undefined },
      point('limited', 'holding', 2, { writable: { range: [0, 10] } }),
      point('small', 'holding', 3, { type: 'int16' }),
      point('coil', 'coil', 4),
    ]);
    const code = (name: string, value: number) =>
      source.write(`m.${name}`, value).then(
        () => 'done',
        (error) => error.code,
      );
    expect(await code('fixed', 1)).toBe('POINT_READ_ONLY');
    expect(await code('limited', 11)).toBe('VALUE_OUT_OF_RANGE');
    expect(await code('limited', Number.NaN)).toBe('VALUE_OUT_OF_RANGE');
    expect(await code('small', 40_000)).toBe('VALUE_NOT_REPRESENTABLE');
    expect(await code('coil', 2)).toBe('VALUE_NOT_REPRESENTABLE');
    expect(await code('nowhere', 2)).toBe('NOT_FOUND');
    expect(writes).toEqual([]);
    // The server takes the write and goes on to show a 1.
    expect(await code('limited', 5)).toBe('MODBUS_WRITE_NOT_TAKEN');
    expect(writes).toEqual([2]);
  });

  it('is looked after where the device acknowledges, asked again where it is busy, and never sent twice', async () => {
    let register = 0;
    let writes = 0;
    let pendingReads = 0;
    const server = await listenForPdus('mbap', (pdu) => {
      const address = pdu.readUInt16BE(1);
      if (pdu[0] === 6) {
        writes++;
        if (address === 1) {
          pendingReads = 3;
          return Buffer.from([0x86, 5]);
        }
        if (address === 2000 && writes < 4) return Buffer.from([0x86, 6]);
        if (address === 3000) return undefined;
        register = pdu.readUInt16BE(3);
        return pdu;
      }
      if (pendingReads > 0 && --pendingReads === 0) register = 42;
      return Buffer.from([3, 2, register >> 8, register & 0xff]);
    });
    open.push(server);
    const source = await start(
      server.port,
      [point('slow', 'holding', 1), point('busy', 'holding', 2000), point('mute', 'holding', 3000)],
      // One deadline passes, that of the mute one.
      '3s',
    );
    expect(await source.write('m.slow', 42)).toMatchObject({ after: 42 });
    expect(writes).toBe(1);
    expect(await source.write('m.busy', 7)).toMatchObject({ after: 7 });
    expect(writes).toBe(4);
    // No answer: reading back shows that it was not taken, and it is not sent again.
    await expect(source.write('m.mute', 9)).rejects.toMatchObject({ code: 'MODBUS_WRITE_NOT_TAKEN' });
    expect(writes).toBe(5);
  });

  it('is not declared for what cannot be written', () => {
    const parse = (one: object) =>
      modbusPart.configSchema.safeParse({
        id: 's',
        type: 'modbus',
        connection: { transport: 'tcp', host: 'h' },
        units: [{ unitId: 1, points: [one] }],
      }).success;
    expect(parse(point('a', 'holding', 1))).toBe(true);
    expect(parse(point('a', 'input', 1))).toBe(false);
    expect(parse(point('a', 'discrete', 1))).toBe(false);
    expect(parse(point('a', 'holding', 1, { type: 'bit', bit: 3 }))).toBe(false);
    expect(parse(point('a', 'holding', 1, { type: 'int8' }))).toBe(false);
    expect(parse(point('a', 'holding', 1, { type: 'string', length: 2 }))).toBe(false);
  });
});

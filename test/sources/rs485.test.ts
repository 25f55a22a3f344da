import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { SerialPortMock } from 'serialport';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '#sm/base/clock.js';
import { openLine } from '#sm/sources/line.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { type Rs485Port, Rs485Stream, rs485Schema } from '#sm/sources/rs485.js';
import { hasSocat, PseudoSerialPort } from '../support/socat.js';
import { answerTo } from './modbus/rtu-server.js';
import { isState, run, until } from './support.js';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const PORT = { baudRate: 19_200, dataBits: 8, parity: 'none', stopBits: 1, rtscts: false } as const;

describe('a port that turns the line round over RTS', () => {
  it.each([
    ['high', [false, true, false]],
    ['low', [true, false, true]],
  ])('has RTS %s from before the first byte until the last is on the line', async (rtsOnSend, levels) => {
    // No port of a test machine has RTS: serialport's own binding without hardware.
    SerialPortMock.binding.reset();
    SerialPortMock.binding.createPort('/dev/mock', { record: true });
    const port = new SerialPortMock({ path: '/dev/mock', baudRate: 19_200 });
    await new Promise<void>((resolve) => port.once('open', () => resolve()));
    const steps: unknown[] = [];
    const note = (name: 'set' | 'write' | 'drain') => {
      const real = port[name].bind(port) as (...args: unknown[]) => unknown;
      vi.spyOn(port, name).mockImplementation(((...args: unknown[]) => {
        steps.push(name === 'set' ? (args[0] as { rts: boolean }).rts : name);
        return real(...args);
      }) as never);
    };
    for (const name of ['set', 'write', 'drain'] as const) note(name);
    const settings = rs485Schema.parse({
      direction: 'rts',
      rtsOnSend,
      delayBefore: '2ms',
      delayAfter: '3ms',
    });
    const clock: Clock = {
      ...systemClock,
      setTimer(name, delayMs, callback) {
        steps.push(`${delayMs} ms`);
        return systemClock.setTimer(name, delayMs, callback);
      },
    };
    const stream = new Rs485Stream(port as unknown as Rs485Port, settings, clock);
    closing.push(() => stream.destroy());
    await stream.listen();
    await new Promise((resolve) => stream.write(Buffer.from([1, 2, 3]), resolve));
    expect(steps).toEqual([levels[0], levels[1], '2 ms', 'write', 'drain', '3 ms', levels[2]]);
    expect((port.port as unknown as { recording: Buffer }).recording).toEqual(Buffer.from([1, 2, 3]));
  });
});

/** A unit on a line where everybody hears everything, the sender too. */
async function echoingUnit(echo: boolean): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (request) => {
      if (echo) {
        socket.write(request.subarray(0, 3));
        socket.write(request.subarray(3));
      }
      socket.write(
        answerTo({
          unitId: request[0]!,
          code: request[1]!,
          address: request.readUInt16BE(2),
          quantity: request.readUInt16BE(4),
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

describe.skipIf(!hasSocat())('a two-wire line', () => {
  it.each([true, false])('is read through a port with `echo`, where there is one: %s', async (echo) => {
    const server = await echoingUnit(echo);
    const pty = await PseudoSerialPort.open((server.address() as { port: number }).port);
    closing.push(() => pty.stop());
    const running = await run(modbusPart, {
      connection: { transport: 'rtu', path: pty.path, parity: 'none', timeout: '60s', rs485: { echo: true } },
      units: [{ unitId: 3, interval: '20ms', points: [{ point: 'a.b', register: 'holding', address: 7 }] }],
    });
    closing.push(() => running.source.stop());
    await isState(running.source, 'good');
    await until(() => expect(running.readings.length).toBeGreaterThan(10));
    expect(new Set(running.readings.map(({ value }) => value))).toEqual(new Set([3 * 4096 + 7]));
    expect(await running.counter('sm_edge_modbus_discarded_answers_total')).toBe(0);
    expect(await running.counter('sm_edge_modbus_garbage_bytes_total')).toBe(0);
  });

  it.each([
    ['rts', /RTS cannot be set/],
    ['kernel', /the driver takes no RS-485 settings: .+/],
  ])('says so where the port cannot do it: %s', async (direction, message) => {
    const server = await echoingUnit(false);
    const pty = await PseudoSerialPort.open((server.address() as { port: number }).port);
    closing.push(() => pty.stop());
    // Held open besides: socat takes its port away when the last who has it open closes it.
    const held = await open(pty.path, constants.O_RDWR | constants.O_NOCTTY);
    closing.push(() => held.close());
    const target = { ...PORT, path: pty.path, rs485: rs485Schema.parse({ direction }) };
    await expect(openLine(target, AbortSignal.timeout(5_000))).rejects.toThrow(message);
    // And lets the port go: another program may have it.
    const line = await openLine({ ...PORT, path: pty.path }, AbortSignal.timeout(5_000));
    line.destroy();
  });

  it('is not turned round by an RTS that controls the flow', () => {
    const config = (rs485: object) => ({
      id: 's',
      type: 'modbus',
      connection: { transport: 'rtu', path: '/dev/ttyS0', rtscts: true, rs485 },
      units: [{ unitId: 1, points: [{ point: 'a.b', register: 'holding', address: 0 }] }],
    });
    const parse = (rs485: object) => modbusPart.configSchema.safeParse(config(rs485));
    expect(parse({ direction: 'auto' }).success).toBe(true);
    expect(parse({ direction: 'rts' }).error?.issues[0]?.message).toMatch(/RTS cannot/);
  });
});

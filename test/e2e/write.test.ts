import { afterEach, describe, expect, it } from 'vitest';
import { ModbusServer } from '#sm/simulator/modbus/server.js';
import { Daemon, eventually, smEdge } from '../support/daemon.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

describe('sm-edge write', () => {
  it('sets a writable point through the daemon and journals who did it; nothing else can be written', async () => {
    const registers = [1480, 0];
    const server = new ModbusServer({
      read: (_table, _unit, address, count) => registers.slice(address, address + count),
      write(_table, _unit, address, value) {
        registers[address] = value;
        return undefined;
      },
    });
    open.push(server);
    const { port } = await server.start();
    const daemon = await Daemon.create(`sources:
  - id: drive
    type: modbus
    connection: { transport: tcp, host: 127.0.0.1, port: ${port}, timeout: 30s }
    units:
      - unitId: 1
        points:
          - { point: fan-1.speed.setpoint, register: holding, address: 0, unit: rpm, writable: { range: [600, 1500] } }
          - { point: fan-1.mode, register: holding, address: 1 }
`);
    open.push({ stop: () => daemon.remove() });
    await daemon.start();
    const write = (...args: string[]) => smEdge(['write', ...args, '--config', daemon.config]);

    const done = await write('fan-1.speed.setpoint', '900', '--by', 'M. Keller', '--note', 'trial run');
    expect(done).toMatchObject({ code: 0, stdout: 'fan-1.speed.setpoint: 900 rpm, read back, was 1480\n' });
    expect(registers).toEqual([900, 0]);
    const logged = 'M. Keller set fan-1.speed.setpoint to 900 rpm (it was 1480)';
    await eventually('it is logged', () => daemon.log.includes(logged) || undefined);

    const refused = [write('fan-1.speed.setpoint', '9000', '--by', 'M. Keller'), write('fan-1.mode', 'fast')];
    expect(await refused[1]).toMatchObject({ code: 2 });
    expect(await refused[0]).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('outside 600 to 1500'),
    });
    const post = (point: string, body: object) =>
      fetch(`${daemon.base}/api/v1/points/${point}/write`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    // Nobody's write is refused before it is journaled or sent.
    expect((await post('fan-1.speed.setpoint', { value: 700 })).status).toBe(400);
    expect((await post('fan-9.speed', { value: 1, by: 'a' })).status).toBe(404);
    expect((await post('fan-1.mode', { value: 1, by: 'a' })).status).toBe(403);
    expect(registers).toEqual([900, 0]);
    const answer = await post('fan-1.speed.setpoint', { value: 700, by: 'scada' });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ before: 900, after: 700, correlationId: expect.any(String) });
    const published = (type: string) =>
      daemon.metric('sm_edge_events_published_total', new RegExp(`type="${type}"`));
    expect(await published('PointWriteRequested')).toBe(4);
    expect(await published('PointWritten')).toBe(2);
    expect(await published('PointWriteFailed')).toBe(2);
  });
});

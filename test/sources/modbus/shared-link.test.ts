import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '#sm/base/clock.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { RequestQueue } from '#sm/sources/modbus/request-queue.js';
import { SharedResources } from '#sm/sources/shared.js';
import { isState, type Running, run, until } from '../support.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

/** A device that takes one connection, as many do: a second one is broken off at once. Registers hold their address. */
async function strictDevice() {
  const sockets = new Set<Socket>();
  const asked: { unitId: number; address: number }[] = [];
  const seen = { connections: 0, refused: 0 };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (sockets.size > 0) {
      seen.refused++;
      socket.resetAndDestroy();
      return;
    }
    sockets.add(socket);
    seen.connections++;
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (request) => {
      const quantity = request.readUInt16BE(10);
      asked.push({ unitId: request[6]!, address: request.readUInt16BE(8) });
      const answer = Buffer.alloc(9 + 2 * quantity);
      request.copy(answer, 0, 0, 8);
      answer.writeUInt16BE(3 + 2 * quantity, 4);
      answer[8] = 2 * quantity;
      for (let i = 0; i < quantity; i++) answer.writeUInt16BE(request.readUInt16BE(8) + i, 9 + 2 * i);
      socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return { port: (server.address() as AddressInfo).port, seen, asked, sockets };
}

const sourceOf = (id: string, port: number, connection: object = {}) => ({
  id,
  connection: { transport: 'tcp', host: '127.0.0.1', port, timeout: '60s', ...connection },
  units: [
    {
      unitId: 1,
      interval: '30ms',
      points: [{ point: `${id}.v`, register: 'holding', address: id === 'a' ? 10 : 20 }],
    },
  ],
});

async function start(config: { id: string }, shared: SharedResources): Promise<Running> {
  const running = await run(modbusPart, config, { shared });
  open.push(running.source);
  return running;
}

const goodCount = ({ readings }: Running) => readings.filter(({ quality }) => quality === 'good').length;

describe('a link that several sources use', () => {
  it('is one connection, and stays while one of them needs it', async () => {
    const { port, seen, sockets } = await strictDevice();
    const shared = new SharedResources();
    const a = await start(sourceOf('a', port), shared);
    const b = await start(sourceOf('b', port), shared);
    await isState(a.source, 'good');
    await isState(b.source, 'good');
    expect(seen).toEqual({ connections: 1, refused: 0 });
    await a.source.stop();
    const before = goodCount(b);
    await until(() => expect(goodCount(b)).toBeGreaterThan(before + 5));
    expect(seen).toEqual({ connections: 1, refused: 0 });
    for (const { value } of a.readings) expect(value).toBe(10);
    for (const { value } of b.readings) expect(value).toBe(20);
    await b.source.stop();
    await until(() => expect(sockets.size).toBe(0));
  });

  it('tells both of them when it is lost and when it is back', async () => {
    const { port, sockets } = await strictDevice();
    const shared = new SharedResources();
    const a = await start(sourceOf('a', port), shared);
    const b = await start(sourceOf('b', port), shared);
    await isState(a.source, 'good');
    await isState(b.source, 'good');
    for (const socket of sockets) socket.resetAndDestroy();
    await until(() => expect(a.statuses.concat(b.statuses).map(({ state }) => state)).toContain('degraded'));
    await isState(a.source, 'good');
    await isState(b.source, 'good');
    for (const { warnings } of [a, b]) expect(warnings).toHaveLength(1);
  });

  it('is refused to a source with other settings', async () => {
    const { port } = await strictDevice();
    const shared = new SharedResources();
    await start(sourceOf('a', port), shared);
    await expect(start(sourceOf('b', port, { transport: 'rtu-over-tcp' }), shared)).rejects.toMatchObject({
      code: 'MODBUS_LINK_CONFLICT',
      message: expect.stringContaining('the source a'),
    });
  });
});

describe('the queue of a link', () => {
  it('serves commands first, then by priority, in order of arrival', () => {
    const queue = new RequestQueue<string>(new ManualClock());
    queue.push('low', 'low');
    queue.push('normal 1', 'normal');
    queue.push('normal 2', 'normal');
    queue.push('high', 'high');
    queue.push('command', 'command');
    const order = Array.from({ length: 5 }, () => queue.take(() => true));
    expect(order).toEqual(['command', 'high', 'normal 1', 'normal 2', 'low']);
    expect(queue.isEmpty).toBe(true);
  });

  it('lets nobody starve: two seconds of waiting make up for one priority', () => {
    const clock = new ManualClock();
    const queue = new RequestQueue<string>(clock);
    queue.push('low', 'low');
    clock.advance(4_100);
    queue.push('high', 'high');
    expect(queue.take(() => true)).toBe('low');
  });

  it('passes over what may not go now, and is bounded', () => {
    const queue = new RequestQueue<number>(new ManualClock());
    const taken = Array.from({ length: 1_030 }, (_, i) => queue.push(i, 'normal'));
    expect(taken.filter((ok) => !ok)).toHaveLength(6);
    expect(queue.take((job) => job > 7)).toBe(8);
    expect(queue.remove((job) => job < 3)).toEqual([0, 1, 2]);
    expect(queue.take(() => true)).toBe(3);
  });
});

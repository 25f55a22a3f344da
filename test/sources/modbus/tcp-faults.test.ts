import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { crc } from '#sm/base/crc.js';
import { MbapFraming, RtuFraming } from '#sm/sources/modbus/framing.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { isState, type Running, run, until } from '../support.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

/** The whole answer of a register server in which every register holds its address. */
function answerTo(request: Buffer, change: { transactionId?: number; unitId?: number } = {}): Buffer {
  const address = request.readUInt16BE(8);
  const quantity = request.readUInt16BE(10);
  const answer = Buffer.alloc(9 + 2 * quantity);
  answer.writeUInt16BE(change.transactionId ?? request.readUInt16BE(0), 0);
  answer.writeUInt16BE(3 + 2 * quantity, 4);
  answer[6] = change.unitId ?? request[6]!;
  answer[7] = request[7]!;
  answer[8] = 2 * quantity;
  for (let i = 0; i < quantity; i++) answer.writeUInt16BE(address + i, 9 + 2 * i);
  return answer;
}

/** @param timeout longer than any pause of this process, where no deadline is to be missed */
async function poll(
  onRequest: (socket: Socket, request: Buffer, count: number) => void,
  timeout = '60s',
): Promise<Running> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (request) => onRequest(socket, request, count++));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  const { port } = server.address() as { port: number };
  const running = await run(modbusPart, {
    connection: { transport: 'tcp', host: '127.0.0.1', port, timeout, retries: 0 },
    units: [
      {
        unitId: 1,
        interval: '20ms',
        points: [
          { point: 'm.r10', register: 'holding', address: 10 },
          { point: 'm.r90', register: 'holding', address: 90 },
        ],
      },
    ],
  });
  open.push(running.source);
  return running;
}

const good = ({ readings }: Running) => readings.filter(({ quality }) => quality === 'good');

const nothingWrong = (running: Running) => {
  for (const { point, value } of good(running)) expect(point).toBe(`m.r${value}`);
};

describe('Modbus TCP with a server that errs', () => {
  it('discards late answers by their transaction id', async () => {
    let held: Buffer | undefined;
    const running = await poll((socket, request, count) => {
      if (count % 5 === 2) held = answerTo(request);
      else {
        if (held !== undefined) socket.write(held);
        held = undefined;
        socket.write(answerTo(request));
      }
    }, '150ms');
    await until(() => expect(good(running).length).toBeGreaterThan(30));
    nothingWrong(running);
    const stale = { reason: 'stale' };
    expect(await running.counter('sm_edge_modbus_discarded_answers_total', stale)).toBeGreaterThan(3);
  });

  it('takes no answer of another unit, and none of another length', async () => {
    const running = await poll((socket, request, count) => {
      if (count % 4 === 1) socket.write(answerTo(request, { unitId: 9 }));
      const longer = Buffer.from(request);
      longer.writeUInt16BE(2, 10);
      if (count % 4 === 2) socket.write(answerTo(longer));
      socket.write(answerTo(request));
    });
    await until(() => expect(good(running).length).toBeGreaterThan(30));
    nothingWrong(running);
    const discarded = (reason: string) =>
      running.counter('sm_edge_modbus_discarded_answers_total', { reason });
    expect(await discarded('wrong-unit')).toBeGreaterThan(0);
    expect(await discarded('mismatch')).toBeGreaterThan(0);
    expect(await running.counter('sm_edge_modbus_timeouts_total')).toBe(0);
  });

  it('puts split answers together', async () => {
    const running = await poll((socket, request) => {
      socket.setNoDelay();
      const answer = answerTo(request);
      socket.write(answer.subarray(0, 5), () => setImmediate(() => socket.write(answer.subarray(5))));
    });
    await until(() => expect(good(running).length).toBeGreaterThan(20));
    nothingWrong(running);
  });

  it('notices a reset in the middle of a request, and not by its deadline', async () => {
    const running = await poll((socket, request, count) => {
      if (count === 6) socket.write(answerTo(request).subarray(0, 4), () => socket.resetAndDestroy());
      else socket.write(answerTo(request));
    });
    await isState(running.source, 'good');
    await until(() => expect(running.statuses.map(({ state }) => state)).toContain('degraded'));
    await isState(running.source, 'good');
    expect(await running.counter('sm_edge_modbus_timeouts_total')).toBe(0);
    nothingWrong(running);
  });

  it('makes the connection anew when the server is silent, or speaks something else', async () => {
    for (const say of [
      () => undefined,
      (socket: Socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n'),
    ]) {
      let mute = true;
      const running = await poll((socket, request) => {
        if (mute) say(socket);
        else socket.write(answerTo(request));
      }, '150ms');
      await until(async () =>
        expect(await running.counter('sm_edge_modbus_connection_losses_total')).toBeGreaterThan(0),
      );
      expect(good(running)).toEqual([]);
      mute = false;
      await isState(running.source, 'good');
      nothingWrong(running);
    }
  });
});

const bytes = fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array));

describe('framings and bytes that mean nothing', () => {
  it('RTU: never fails, keeps little, gives only frames whose CRC is right', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 30 }), (chunks) => {
        const framing = new RtuFraming(() => true);
        for (const chunk of chunks) {
          for (const { unitId, pdu } of framing.push(chunk)) {
            const sent = framing.encode(unitId, pdu);
            expect(crc('crc16-modbus', sent)).toBe(0);
            expect(pdu.length).toBeLessThanOrEqual(253);
          }
        }
        const before = framing.garbageBytes;
        framing.clear();
        expect(framing.garbageBytes - before).toBeLessThanOrEqual(512);
      }),
    );
  });

  it('Modbus TCP: gives whole frames or says that this is none', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 30 }), (chunks) => {
        const framing = new MbapFraming();
        try {
          for (const chunk of chunks) {
            for (const { pdu } of framing.push(chunk)) expect(pdu.length).toBeGreaterThan(0);
          }
        } catch (error) {
          expect((error as Error).message).toContain('not Modbus TCP');
        }
      }),
    );
  });

  it('frames come through whatever way they are cut', () => {
    const pdus = fc.array(fc.tuple(fc.integer({ min: 1, max: 247 }), fc.uint8Array({ maxLength: 250 })));
    fc.assert(
      fc.property(pdus, fc.integer({ min: 1, max: 40 }), (answers, size) => {
        const sent = answers.map(([unitId, data]) => ({
          unitId,
          pdu: Buffer.from([3, data.length, ...data]),
        }));
        for (const framing of [new RtuFraming(() => false), new MbapFraming()]) {
          const line = Buffer.concat(sent.map(({ unitId, pdu }, i) => framing.encode(unitId, pdu, i)));
          const got = [];
          for (let at = 0; at < line.length; at += size)
            got.push(...framing.push(line.subarray(at, at + size)));
          expect(got.map(({ unitId, pdu }) => [unitId, pdu.toString('hex')])).toEqual(
            sent.map(({ unitId, pdu }) => [unitId, pdu.toString('hex')]),
          );
          expect(framing.garbageBytes).toBe(0);
        }
      }),
    );
  });
});

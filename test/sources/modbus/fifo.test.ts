import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { seededRandom } from '#sm/base/random.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { encodePdu, parseAnswer } from '#sm/sources/modbus/protocol.js';
import { isState, type Running, run, until } from '../support.js';
import { listenForPdus, type Serve } from './pdu-server.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function listen(framing: 'mbap' | 'rtu', serve: Serve, delayMs?: () => number): Promise<number> {
  const server = await listenForPdus(framing, serve, delayMs);
  open.push(server);
  return server.port;
}

/** The answer of function 24 with these registers. */
function fifoAnswer(values: readonly number[]): Buffer {
  const pdu = Buffer.alloc(5 + 2 * values.length);
  pdu[0] = 24;
  pdu.writeUInt16BE(2 + 2 * values.length, 1);
  pdu.writeUInt16BE(values.length, 3);
  for (const [i, value] of values.entries()) pdu.writeUInt16BE(value & 0xffff, 5 + 2 * i);
  return pdu;
}

async function collect(
  connection: object,
  fifos: object[],
  more: Parameters<typeof run>[2] = {},
): Promise<Running> {
  const running = await run(
    modbusPart,
    {
      connection: { host: '127.0.0.1', timeout: '60s', ...connection },
      units: [{ unitId: 1, fifos }],
    },
    more,
  );
  open.push(running.source);
  return running;
}

const fifo = (point: string, address: number, more: object = {}) => ({
  point,
  address,
  interval: '20ms',
  sampleRateHz: 1000,
  unit: 'g',
  ...more,
});

const samplesOf = ({ blocks }: Running, point: string) =>
  blocks.filter((block) => block.point === point).flatMap(({ samples }) => [...samples]);

describe('FIFO queues (function code 24)', () => {
  it('are read as in the example of the specification (clause 6.18)', () => {
    const request = { unitId: 1, fifo: 0x04de };
    expect(encodePdu(request).toString('hex')).toBe('1804de');
    const answer = parseAnswer(Buffer.from('180006000201b81284', 'hex'), request);
    expect(answer).toEqual({ kind: 'data', data: Buffer.from('01b81284', 'hex') });
    expect(parseAnswer(Buffer.from('180006000301b81284', 'hex'), request).kind).toBe('mismatch');
    expect(parseAnswer(Buffer.from('9803', 'hex'), request)).toEqual({ kind: 'exception', code: 3 });
  });

  it('are emptied in turn and laid end to end, samples over two answers included', async () => {
    let next = 0;
    const queue: number[] = [];
    const port = await listen('mbap', () => {
      // An int32 is two registers: the high one alone may be the last of an answer.
      while (queue.length < 40) queue.push(0, next++);
      return fifoAnswer(queue.splice(0, next % 3 === 0 ? 31 : 17));
    });
    // All answers come at one time, however long they take: none is so late that it is a pause in the signal.
    const nowMs = systemClock.nowMs();
    const running = await collect(
      { transport: 'tcp', port },
      [fifo('m.a', 7, { type: 'int32', scale: 0.5 })],
      { clock: { ...systemClock, nowMs: () => nowMs } },
    );
    await until(() => expect(running.blocks.length).toBeGreaterThan(8));
    await isState(running.source, 'good');
    const samples = samplesOf(running, 'm.a');
    expect(samples).toEqual(samples.map((_, i) => i / 2));
    let end = running.blocks[0]!.startTimeMs;
    for (const block of running.blocks) {
      expect(block).toMatchObject({ quality: 'good', unit: 'g', sampleRateHz: 1000 });
      expect(Math.abs(block.startTimeMs - end)).toBeLessThan(1);
      end = block.startTimeMs + block.samples.length;
    }
  });

  it('are cleared by a declared write, and an overflow is a gap', async () => {
    let filled = 20;
    let cleared = 0;
    const port = await listen('mbap', (pdu) => {
      if (pdu[0] === 6) {
        cleared++;
        filled = cleared === 2 ? 40 : 20;
        return pdu;
      }
      return filled > 31 ? Buffer.from([0x98, 3]) : fifoAnswer(Array(filled).fill(cleared));
    });
    const running = await collect({ transport: 'tcp', port }, [
      fifo('m.a', 7, { clear: { address: 8, value: 0 } }),
    ]);
    await until(() => expect(running.blocks.length).toBeGreaterThan(4));
    expect(running.blocks.map(({ quality, reason }) => reason ?? quality).slice(0, 4)).toEqual([
      'good',
      'good',
      'gap',
      'good',
    ]);
    expect(running.blocks.map(({ samples }) => samples[0]).slice(0, 4)).toEqual([0, 1, 3, 4]);
    expect(await running.counter('sm_edge_modbus_fifo_losses_total')).toBe(1);
    expect(running.statuses.map(({ reason }) => reason).join()).toContain('exception 3');
    await isState(running.source, 'good');
  });

  it('of one unit never get the samples of each other, over RTU with late answers', async () => {
    const random = seededRandom(3);
    const served = new Map([
      [100, 0],
      [200, 0],
    ]);
    const port = await listen(
      'rtu',
      (pdu) => {
        if (pdu[0] === 3) return Buffer.from([3, 2, 0, 0]);
        const address = pdu.readUInt16BE(1);
        const from = served.get(address)!;
        served.set(address, from + 4);
        return fifoAnswer([0, 1, 2, 3].map((i) => address * 100 + ((from + i) % 10_000)));
      },
      () => (random() < 0.1 ? 130 * random() : 0),
    );
    const running = await collect({ transport: 'rtu-over-tcp', port, silence: '2ms', timeout: '60ms' }, [
      fifo('m.a', 100, { type: 'uint16' }),
      fifo('m.b', 200, { type: 'uint16' }),
    ]);
    await until(() => expect(running.blocks.length).toBeGreaterThan(80));
    expect(await running.counter('sm_edge_modbus_fifo_losses_total')).toBeGreaterThan(0);
    for (const [point, base] of [
      ['m.a', 10_000],
      ['m.b', 20_000],
    ] as const) {
      const samples = samplesOf(running, point);
      expect(samples.length).toBeGreaterThan(60);
      for (const value of samples) expect(Math.floor(value / 10_000)).toBe(base / 10_000);
      // In order, none twice.
      for (const [i, value] of samples.entries()) if (i > 0) expect(value).toBeGreaterThan(samples[i - 1]!);
    }
  });
});

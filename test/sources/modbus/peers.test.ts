import { afterEach, describe, expect, it } from 'vitest';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { freePort } from '../../support/free-port.js';
import { ModbusPeer, requireLibmodbus } from '../../support/modbus-peers.js';
import { soakCount, soakResult, soakTimeoutMs } from '../../support/soak.js';
import { hasSocat, PtyPair } from '../../support/socat.js';
import { requirePython } from '../../support/venv.js';
import { isState, type Running, run, until } from '../support.js';

// Fault scenarios against servers that no one here wrote: libmodbus and pymodbus.

const libmodbus = requireLibmodbus();
const pymodbus = requirePython('pymodbus');

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

const keep = <T extends { stop(): Promise<void> }>(one: T): T => {
  open.push(one);
  return one;
};

interface Served {
  readonly peer: ModbusPeer;
  readonly connection: object;
}

const tcp = ({ peer, port }: { peer: ModbusPeer; port: number }, transport = 'tcp'): Served => ({
  peer: keep(peer),
  connection: { transport, host: '127.0.0.1', port },
});

const PEERS: [name: string, available: boolean, serve: () => Promise<Served>][] = [
  ['libmodbus over TCP', libmodbus, async () => tcp(await ModbusPeer.libmodbusTcp())],
  [
    'libmodbus on a serial port',
    libmodbus && hasSocat(),
    async () => {
      const pair = keep(await PtyPair.open());
      const peer = keep(await ModbusPeer.libmodbusRtu(pair.b));
      const connection = { transport: 'rtu', path: pair.a, baudRate: 115_200, parity: 'none' };
      return { peer, connection };
    },
  ],
  ['pymodbus over TCP', pymodbus, async () => tcp(await ModbusPeer.pymodbus('socket'))],
  ['pymodbus, RTU over TCP', pymodbus, async () => tcp(await ModbusPeer.pymodbus('rtu'), 'rtu-over-tcp')],
];

/** Far apart, so that each is a request of its own, and all of the same shape: a late answer fits every one. */
const ADDRESSES = [10, 110, 210, 410];

async function poll(connection: object, interval = '25ms'): Promise<Running> {
  const running = await run(modbusPart, {
    connection: { timeout: '60ms', retries: 0, ...connection },
    units: [
      {
        unitId: 1,
        interval,
        points: ADDRESSES.map((address) => ({ point: `m.r${address}`, register: 'holding', address })),
      },
    ],
  });
  return { ...running, ...keep({ stop: () => running.source.stop() }) };
}

const good = ({ readings }: Running) => readings.filter(({ quality }) => quality === 'good');

const nothingWrong = (running: Running) => {
  for (const { point, value } of good(running)) expect(point).toBe(`m.r${value}`);
};

/** Every point was read well again. */
const allFresh = (running: Running, from: number) =>
  until(() => {
    const fresh = new Set(
      running.readings
        .slice(from)
        .filter(({ quality }) => quality === 'good')
        .map(({ point }) => point),
    );
    expect(fresh.size).toBe(ADDRESSES.length);
  });

/** What the server does, what must show of it, and that it does not show while all is well. */
const TROUBLES: [mode: string, sign: (running: Running) => Promise<number>][] = [
  ['delay 90', (running) => running.counter('sm_edge_modbus_timeouts_total')],
  ['late 1', (running) => running.counter('sm_edge_modbus_discarded_answers_total')],
  ['twice', (running) => running.counter('sm_edge_modbus_discarded_answers_total')],
  ['exception 4', async ({ readings }) => readings.filter(({ reason }) => reason === 'device-error').length],
  [
    'exception 11',
    async ({ statuses }) => statuses.filter(({ reason }) => /gateway gets no answer/.test(reason)).length,
  ],
  ['silent', async ({ readings }) => readings.filter(({ reason }) => reason === 'timeout').length],
];

describe.each(PEERS)('%s', (_name, available, serve) => {
  it.skipIf(!available)(
    'is read right through errors, delays, late, double and missing answers',
    async () => {
      const { peer, connection } = await serve();
      const running = await poll(connection);
      await isState(running.source, 'good');
      for (const [mode, sign] of TROUBLES) {
        const before = await sign(running);
        await peer.mode(mode);
        await until(async () => expect([mode, await sign(running)]).not.toEqual([mode, before]));
        await peer.mode('none');
        await allFresh(running, running.readings.length);
      }
      await isState(running.source, 'good');
      nothingWrong(running);
    },
    240_000,
  );

  it.skipIf(!available)('is read right when answers come in pieces, and none is lost by it', async () => {
    const { peer, connection } = await serve();
    await peer.mode('split 8');
    const running = await poll({ ...connection, timeout: '60s' });
    await isState(running.source, 'good');
    await until(() => expect(good(running).length).toBeGreaterThan(40));
    expect(running.readings.length).toBe(good(running).length);
    nothingWrong(running);
  });
});

describe.skipIf(!libmodbus)('a link to libmodbus', () => {
  it(
    'has every point fresh within two polls after the server was restarted',
    async () => {
      const first = await ModbusPeer.libmodbusTcp(await freePort());
      const { port } = first;
      let { peer } = first;
      keep(peer);
      const running = await poll({ transport: 'tcp', host: '127.0.0.1', port, timeout: '60s' }, '500ms');
      await isState(running.source, 'good');
      const losses = () => running.counter('sm_edge_modbus_connection_losses_total');
      const freshMs: number[] = [];
      for (let i = 0; i < soakCount(1); i++) {
        const lost = await losses();
        await peer.stop();
        await isState(running.source, 'degraded');
        // Long enough for the pauses between two attempts to have grown.
        await until(async () => expect(await losses()).toBeGreaterThan(lost + 4));
        const back = await ModbusPeer.libmodbusTcp(port);
        const sinceMs = performance.now();
        const from = running.readings.length;
        peer = back.peer;
        keep(peer);
        await allFresh(running, from);
        freshMs.push(performance.now() - sinceMs);
        // A poll that comes to nothing gives a bad reading of each point: the second one at the latest was well.
        for (const address of ADDRESSES) {
          const polls = running.readings.slice(from).filter(({ point }) => point === `m.r${address}`);
          expect(polls.findIndex(({ quality }) => quality === 'good')).toBeLessThan(2);
        }
      }
      soakResult({
        restarts: freshMs.length,
        pollIntervalMs: 500,
        longestUntilAllFreshMs: Math.max(...freshMs),
      });
      nothingWrong(running);
    },
    soakTimeoutMs(240_000),
  );

  it('survives connections that end without an answer', async () => {
    const { peer, port } = await ModbusPeer.libmodbusTcp();
    keep(peer);
    const running = await poll({ transport: 'tcp', host: '127.0.0.1', port });
    await isState(running.source, 'good');
    await peer.mode('close');
    await isState(running.source, 'degraded');
    await peer.mode('none');
    await allFresh(running, running.readings.length);
    nothingWrong(running);
  });

  it('reads the tables and the numbers of libmodbus', async () => {
    const { peer, port } = await ModbusPeer.libmodbusTcp();
    keep(peer);
    // What libmodbus calls a float has its words swapped.
    const orders = ['ABCD', 'CDAB'];
    const point = (name: string, register: string, address: number, more: object = {}) => ({
      point: `m.${name}`,
      register,
      address,
      ...more,
    });
    const running = await run(modbusPart, {
      connection: { transport: 'tcp', host: '127.0.0.1', port },
      units: [
        {
          unitId: 1,
          interval: '50ms',
          points: [
            ...orders.map((order, i) => point(order, 'holding', 3000 + 2 * i, { type: 'float32', order })),
            point('i32', 'holding', 3008, { type: 'int32' }),
            point('i64', 'holding', 3010, { type: 'int64' }),
            point('input', 'input', 17),
            point('coil', 'coil', 9),
            point('discrete', 'discrete', 9),
          ],
        },
      ],
    });
    keep(running.source);
    await isState(running.source, 'good');
    const value = (name: string) => running.readings.findLast((one) => one.point === `m.${name}`)?.value;
    for (const order of orders) expect([order, value(order)]).toEqual([order, Math.fround(-273.15)]);
    expect(['i32', 'i64', 'input', 'coil', 'discrete'].map(value)).toEqual([
      -123456789, -1234567890123456, 10_017, 1, 0,
    ]);
  });
});

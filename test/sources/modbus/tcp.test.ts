import { afterEach, describe, expect, it } from 'vitest';
import { ModbusServer, type RegisterProvider } from '#sm/simulator/modbus/server.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { freePort } from '../../support/free-port.js';
import { isState, type Running, run, until } from '../support.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function serve(provider: RegisterProvider, port = 0): Promise<{ port: number; server: ModbusServer }> {
  const server = new ModbusServer(provider);
  open.push(server);
  return { ...(await server.start(port)), server };
}

/** The deadline is longer than any pause of this process. */
async function read(port: number, units: object[], connection: object = {}): Promise<Running> {
  const running = await run(modbusPart, {
    connection: { transport: 'tcp', host: '127.0.0.1', port, timeout: '60s', ...connection },
    units,
  });
  open.push(running.source);
  return running;
}

const latest = ({ readings }: Running, point: string) => readings.findLast((one) => one.point === point);

describe('Modbus TCP against the simulator', () => {
  it('reads all four tables, scaled, judged and with their units', async () => {
    const { port } = await serve({
      read: (table, _unit, address, count) =>
        Array.from({ length: count }, (_, i) =>
          table === 'coil' ? 1 : table === 'discrete' ? 0 : table === 'input' ? 65_436 : address + i,
        ),
    });
    const running = await read(port, [
      {
        unitId: 1,
        interval: '50ms',
        points: [
          { point: 'm.a', register: 'holding', address: 7 },
          {
            point: 'm.b',
            register: 'input',
            address: 16,
            type: 'int16',
            scale: 0.1,
            offset: 1,
            unit: 'degC',
          },
          { point: 'm.c', register: 'coil', address: 3 },
          { point: 'm.d', register: 'discrete', address: 4 },
          { point: 'm.e', register: 'holding', address: 9, sentinel: 9 },
          { point: 'm.f', register: 'holding', address: 10, range: [0, 5] },
          { point: 'm.g', register: 'holding', address: 11, type: 'uint32' },
        ],
      },
    ]);
    await isState(running.source, 'good');
    expect(latest(running, 'm.a')).toMatchObject({ value: 7, quality: 'good' });
    expect(latest(running, 'm.b')).toMatchObject({ value: -9, unit: 'degC' });
    expect(latest(running, 'm.c')?.value).toBe(1);
    expect(latest(running, 'm.d')?.value).toBe(0);
    expect(latest(running, 'm.e')).toMatchObject({ quality: 'bad', reason: 'sentinel', value: Number.NaN });
    expect(latest(running, 'm.f')).toMatchObject({ quality: 'bad', reason: 'out-of-range' });
    expect(latest(running, 'm.g')?.value).toBe(11 * 65_536 + 12);
  });

  it('reads texts: as a state, as a number, or only shown', async () => {
    const texts = new Map<number, number>();
    const put = (address: number, text: string) =>
      [...Buffer.from(text)].forEach((byte, i) => {
        const at = address + (i >> 1);
        texts.set(at, (texts.get(at) ?? 0) | (byte << (i % 2 === 0 ? 8 : 0)));
      });
    put(0, 'RUN ');
    put(10, '23.5');
    put(20, 'NS1-32');
    put(30, '??');
    const { port } = await serve({
      read: (_table, _unit, address, count) =>
        Array.from({ length: count }, (_, i) => texts.get(address + i) ?? 0),
    });
    const text = (point: string, address: number, more: object = {}) => ({
      point,
      register: 'holding',
      address,
      type: 'string',
      length: 4,
      ...more,
    });
    const states = { RUN: 1, STOP: 0 };
    const running = await read(port, [
      {
        unitId: 1,
        interval: '30ms',
        points: [
          text('m.state', 0, { states }),
          text('m.number', 10, { scale: 2 }),
          text('m.serial', 20, { order: 'BA' }),
          text('m.strange', 30, { states }),
        ],
      },
    ]);
    await isState(running.source, 'good');
    expect(latest(running, 'm.state')).toMatchObject({ value: 1, quality: 'good' });
    expect(latest(running, 'm.number')).toMatchObject({ value: 47, quality: 'good' });
    expect(latest(running, 'm.serial')).toBeUndefined();
    expect(latest(running, 'm.strange')).toMatchObject({ quality: 'bad', reason: 'not-a-number' });
    const shown = await running.counter('sm_edge_modbus_text_info', { point: 'm.serial', text: 'SN-123' });
    expect(shown).toBe(1);
  });

  it('loses one point to one illegal register, not its neighbours', async () => {
    const { port } = await serve({
      read: (_table, _unit, address, count) =>
        address <= 5 && address + count > 5
          ? { exception: 2 }
          : Array.from({ length: count }, (_, i) => address + i),
    });
    const points = [...Array(10).keys()].map((address) => ({
      point: `m.r${address}`,
      register: 'holding',
      address,
    }));
    const running = await read(port, [{ unitId: 1, interval: '30ms', points }]);
    await isState(running.source, 'degraded');
    expect(running.source.status.reason).toContain('m.r5');
    await until(() => expect(running.readings.length).toBeGreaterThan(40));
    for (const { point, quality, reason, value } of running.readings) {
      if (point === 'm.r5') expect([quality, reason]).toEqual(['bad', 'device-error']);
      else expect([quality, `m.r${value}`]).toEqual(['good', point]);
    }
  });

  it('leaves a dead unit alone and serves the others', async () => {
    let dead = true;
    const fromMs = performance.now();
    const { port } = await serve({
      read: (_table, unitId, _address, count) =>
        unitId === 2 && dead ? undefined : Array.from({ length: count }, () => unitId),
    });
    const unit = (unitId: number) => ({
      unitId,
      interval: '20ms',
      points: [{ point: `u${unitId}.v`, register: 'input', address: 0 }],
    });
    const running = await read(port, [1, 2, 3].map(unit), { timeout: '50ms', retries: 0 });
    await until(() => expect(running.source.status.reason).toBe('no answer from unit 2'));
    expect(latest(running, 'u2.v')).toMatchObject({ quality: 'bad', reason: 'timeout' });
    const before = running.readings.filter(({ point }) => point === 'u1.v').length;
    await until(() =>
      expect(running.readings.filter(({ point }) => point === 'u1.v').length).toBeGreaterThan(before + 30),
    );
    // Three to find out, then probes of 50 ms, five times that apart at least; each poll, every 20 ms, would have cost one.
    // The link may have been made anew meanwhile, where this process was held up: then it is found out again.
    const probes = (await running.counter('sm_edge_modbus_timeouts_total', { unit: '2' })) - 3;
    expect(probes).toBeLessThanOrEqual((performance.now() - fromMs) / 100);
    dead = false;
    await isState(running.source, 'good');
    expect(latest(running, 'u2.v')).toMatchObject({ quality: 'good', value: 2 });
  });

  it('asks a busy device again', async () => {
    let calls = 0;
    const { port } = await serve({ read: () => (calls++ < 2 ? { exception: 6 } : [5]) });
    const running = await read(port, [
      { unitId: 1, interval: '10s', points: [{ point: 'm.a', register: 'holding', address: 0 }] },
    ]);
    await isState(running.source, 'good');
    expect(latest(running, 'm.a')).toMatchObject({ value: 5, quality: 'good' });
  });

  it('comes back when the server does', async () => {
    const provider: RegisterProvider = { read: () => [1] };
    const { port, server } = await serve(provider, await freePort());
    const running = await read(port, [
      { unitId: 1, interval: '20ms', points: [{ point: 'm.a', register: 'holding', address: 0 }] },
    ]);
    await isState(running.source, 'good');
    await server.stop();
    await isState(running.source, 'degraded');
    await until(() => expect(latest(running, 'm.a')).toMatchObject({ quality: 'bad', reason: 'timeout' }));
    await serve(provider, port);
    await isState(running.source, 'good');
    await until(() => expect(latest(running, 'm.a')).toMatchObject({ quality: 'good', value: 1 }));
    expect(running.warnings.length).toBeGreaterThan(0);
  });

  it('reports a value within its deadband once', async () => {
    let value = 100;
    let polls = 0;
    const { port } = await serve({
      read: () => {
        polls++;
        return [value];
      },
    });
    const running = await read(port, [
      {
        unitId: 1,
        interval: '10ms',
        points: [{ point: 'm.a', register: 'holding', address: 0, deadband: 5 }],
      },
    ]);
    await until(() => expect(polls).toBeGreaterThan(5));
    value = 104;
    await until(() => expect(polls).toBeGreaterThan(12));
    value = 105;
    await until(() => expect(running.readings.map((one) => one.value)).toEqual([100, 105]));
  });

  it('fetches a waveform page by page behind its trigger and ready flag', async () => {
    const samples = Array.from({ length: 1000 }, (_, i) => Math.round(1000 * Math.sin(i / 10)) & 0xffff);
    let page = 0;
    let looks = 0;
    let triggered = 0;
    const { port } = await serve({
      read(_table, _unit, address, count) {
        if (address === 1) return [triggered > 0 && ++looks > 2 ? 1 : 0];
        return Array.from({ length: count }, (_, i) => samples[page * 256 + (address - 100) + i] ?? 0);
      },
      write(_table, _unit, address, value) {
        if (address === 0) triggered++;
        if (address === 2) page = value;
        return undefined;
      },
    });
    const running = await read(port, [
      {
        unitId: 1,
        waveforms: [
          {
            point: 'm.de.acceleration',
            interval: '1h',
            trigger: { address: 0 },
            ready: { address: 1 },
            address: 100,
            samples: 1000,
            page: { address: 2, registers: 256 },
            sampleRateHz: 4000,
            unit: 'g',
            scale: 0.001,
          },
        ],
      },
    ]);
    await until(() => expect(running.blocks).toHaveLength(1));
    const [block] = running.blocks;
    expect(block).toMatchObject({ sampleRateHz: 4000, unit: 'g', quality: 'good' });
    for (const [i, value] of block!.samples.entries()) {
      expect(value).toBeCloseTo(Math.round(1000 * Math.sin(i / 10)) / 1000, 5);
    }
    expect(triggered).toBe(1);
  });

  it('waits for a device that is busy with a waveform, and triggers it once', async () => {
    const ILLEGAL = 2;
    const writes: [number, number][] = [];
    let page: number | undefined;
    const { port } = await serve({
      read(_table, _unit, address, count) {
        if (address === 1) return [1];
        if (page === undefined) return { exception: ILLEGAL };
        return Array.from({ length: count }, (_, i) => page! * 10 + address - 100 + i);
      },
      write(_table, _unit, address, value) {
        writes.push([address, value]);
        // The trigger is acknowledged (5); a page is there at the second request for it.
        if (address === 0) return { exception: 5 };
        const again = writes.filter(([at, wanted]) => at === address && wanted === value).length > 1;
        page = again ? value : undefined;
        return again ? undefined : { exception: value === 0 ? 5 : 6 };
      },
    });
    const running = await read(port, [
      {
        unitId: 1,
        waveforms: [
          {
            point: 'm.de.acceleration',
            interval: '1h',
            trigger: { address: 0 },
            ready: { address: 1 },
            address: 100,
            samples: 20,
            page: { address: 2, registers: 10 },
            sampleRateHz: 4000,
            unit: 'g',
          },
        ],
      },
    ]);
    await until(() => expect(running.blocks).toHaveLength(1));
    expect([...running.blocks[0]!.samples]).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(writes).toEqual([
      [0, 1],
      [2, 0],
      [2, 0],
      [2, 1],
      [2, 1],
    ]);
  });
});

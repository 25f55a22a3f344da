import { afterEach, describe, expect, it } from 'vitest';
import { SerialDeviceServer } from '#sm/simulator/serial/device-server.js';
import { encodeVibrationFrame } from '#sm/simulator/serial/frame.js';
import { serialPart } from '#sm/sources/serial/index.js';
import { hasSocat, PseudoSerialPort } from '../../support/socat.js';
import { isState, type Running, run, until } from '../support.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

const FRAMES = {
  framing: { kind: 'sync', sync: 'A55A', length: { type: 'uint16le' }, check: { name: 'crc16-ccitt-false' } },
  messages: [
    {
      point: 'pump-1.bearing-de.{channel}',
      payload: {
        kind: 'waveform',
        header: { bytes: 2, sequence: { offset: 0, type: 'uint16le' } },
        encoding: 'int16le',
        channels: ['x', 'y'],
        sampleRateHz: 10_000,
        unit: 'g',
        fullScale: 16,
      },
    },
  ],
};

const LINES = {
  framing: { kind: 'line' },
  messages: [
    {
      point: 'oven.{channel}',
      payload: {
        kind: 'pattern',
        pattern: '^T=(?<temperature>\\S+) P=(?<pressure>\\S+)$',
        values: [
          { channel: 'temperature', unit: 'degC' },
          { channel: 'pressure', unit: 'bar' },
        ],
      },
    },
  ],
};

async function device(): Promise<{ server: SerialDeviceServer; port: number }> {
  const server = new SerialDeviceServer();
  open.push(server);
  return { server, ...(await server.start()) };
}

async function listen(config: object): Promise<Running> {
  const running = await run(serialPart, config as Record<string, unknown>);
  open.push(running.source);
  return running;
}

const vibration = (counter: number, length = 256): Uint8Array =>
  encodeVibrationFrame({
    counter,
    samples: Int16Array.from({ length }, (_, i) => ((counter * 7 + i) * 131) % 30_000),
  });

describe('a serial line through a device server', () => {
  it('gives waveforms sample by sample, end to end in time, and counts what is missing', async () => {
    const { server, port } = await device();
    const running = await listen({ url: `tcp://127.0.0.1:${port}`, ...FRAMES });
    await until(() => expect(server.clients).toBe(1));
    for (const counter of [65_534, 65_535, 0, 1, 4]) server.send(vibration(counter));
    await until(() => expect(running.blocks).toHaveLength(10));
    const x = running.blocks.filter(({ point }) => point === 'pump-1.bearing-de.x');
    expect(x.map(({ sequence }) => sequence)).toEqual([65_534, 65_535, 0, 1, 4]);
    const first = new Float32Array(128).map((_, i) => (((65_534 * 7 + 2 * i) * 131) % 30_000) / 2048);
    expect([...x[0]!.samples]).toEqual([...first]);
    expect(x[0]).toMatchObject({ sampleRateHz: 10_000, unit: 'g', quality: 'good' });
    const gapsMs = x.slice(1).map((block, i) => block.startTimeMs - x[i]!.startTimeMs);
    for (const [i, gapMs] of gapsMs.entries()) expect(gapMs).toBeCloseTo(i === 3 ? 3 * 12.8 : 12.8, 1);
    expect(running.source.status.state).toBe('good');
    expect(await running.counter('sm_edge_serial_lost_frames_total')).toBe(2);
    expect(await running.counter('sm_edge_serial_frames_total')).toBe(5);
  });

  it('finds its way through garbage between frames, and counts it', async () => {
    const { server, port } = await device();
    const running = await listen({ url: `tcp://127.0.0.1:${port}`, ...FRAMES });
    await until(() => expect(server.clients).toBe(1));
    for (let counter = 0; counter < 50; counter++) {
      const frame = vibration(counter, 64);
      server.send(Buffer.from([0xa5, 0x5a, 4, 0, 1, 2, 3, 4, 5, 6, counter]));
      if (counter % 10 === 3) frame[20]! ^= 0xff;
      server.send(frame);
    }
    await until(() => expect(running.blocks).toHaveLength(90));
    expect(await running.counter('sm_edge_serial_unusable_frames_total', { reason: 'check' })).toBe(55);
    // Five broken ones, of which the counter shows each.
    expect(await running.counter('sm_edge_serial_lost_frames_total')).toBe(5);
  });

  it('comes back when the connection does, and reports scalars bad meanwhile', async () => {
    const { server, port } = await device();
    const running = await listen({ url: `tcp://127.0.0.1:${port}`, ...LINES });
    await until(() => expect(server.clients).toBe(1));
    server.send(Buffer.from('=1 P=1\r\nT=20.5 P=1.25\r\nboot\r\n'));
    await isState(running.source, 'good');
    expect(running.readings).toMatchObject([
      { point: 'oven.temperature', value: 20.5, unit: 'degC', quality: 'good' },
      { point: 'oven.pressure', value: 1.25, unit: 'bar' },
    ]);
    await until(async () =>
      expect(await running.counter('sm_edge_serial_unusable_frames_total', { reason: 'payload' })).toBe(1),
    );
    server.disconnectAll();
    await isState(running.source, 'degraded');
    await until(() => expect(running.readings).toHaveLength(4));
    expect(running.readings.slice(2)).toMatchObject([
      { point: 'oven.temperature', quality: 'bad', reason: 'timeout' },
      { point: 'oven.pressure', quality: 'bad', reason: 'timeout' },
    ]);
    await until(() => expect(server.clients).toBe(1));
    server.send(Buffer.from('P=1\r\nT=21 P=1.3\r\n'));
    await isState(running.source, 'good');
    expect(running.readings.at(-1)).toMatchObject({ point: 'oven.pressure', value: 1.3 });
  });

  it('tells a silent instrument from a wrong framing', async () => {
    const { server, port } = await device();
    const running = await listen({ url: `tcp://127.0.0.1:${port}`, silence: '200ms', ...FRAMES });
    await until(() => expect(running.source.status.reason).toContain('nothing came'));
    await until(() => {
      server.send(Buffer.from('hello'));
      expect(running.source.status.reason).toContain('check baud rate');
    });
    expect(running.blocks).toEqual([]);
  });
});

describe.skipIf(!hasSocat())('a serial port', () => {
  it('is read, survives being unplugged and is found again', async () => {
    const { server, port } = await device();
    const pty = await PseudoSerialPort.open(port);
    open.push(pty);
    const running = await listen({ path: pty.path, baudRate: 115_200, ...FRAMES });
    await until(() => expect(server.clients).toBe(1));
    let counter = 0;
    const flow = async (blocks: number) => {
      const start = running.blocks.length;
      await until(() => {
        server.send(vibration(counter++, 64));
        expect(running.blocks.length).toBeGreaterThanOrEqual(start + blocks);
      });
    };
    await flow(4);
    await isState(running.source, 'good');
    await pty.unplug();
    await isState(running.source, 'degraded');
    expect(running.source.status.reason).toMatch(/adapter|closed|port/i);
    await pty.plug();
    await flow(4);
    await isState(running.source, 'good');
  });
});

describe('the config of a serial line', () => {
  const faults = (config: object) =>
    serialPart.configSchema
      .safeParse({ id: 's', type: 'serial', ...config })
      .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  it('says what is wrong with it', () => {
    expect(faults({ path: '/dev/ttyUSB0', ...FRAMES })).toEqual([]);
    expect(faults({ ...FRAMES })[0]).toContain('declare either `path`');
    expect(faults({ path: '/dev/ttyUSB0', url: 'tcp://a:1', ...FRAMES })[0]).toContain(
      'declare either `path`',
    );
    expect(faults({ url: 'udp://a:1', ...FRAMES })[0]).toContain('tcp://host:port');
    expect(
      faults({ path: 'p', ...LINES, messages: [{ ...LINES.messages[0], point: 'oven.x' }] })[0],
    ).toContain('{channel}');
    expect(faults({ path: 'p', ...FRAMES, framing: { kind: 'sync', sync: 'A55A' } })[0]).toContain('length');
  });
});

import { connect } from 'node:net';
import modbus from 'modbus-serial';
import { afterEach, expect, it } from 'vitest';
import { type Clock, systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { demoConfig } from '#sm/simulator/demo-config.js';
import { PLANT_REGISTERS } from '#sm/simulator/modbus-output.js';
import { type Plant, startPlant } from '#sm/simulator/plant.js';
import { SerialDeviceServer } from '#sm/simulator/serial/device-server.js';
import { createSource, sourceConfigSchema } from '#sm/sources/index.js';
import { TestSink, until } from '../sources/mqtt/support.js';
import { freePort } from '../support/free-port.js';

let plant: Plant | undefined;
const open: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await plant?.stop();
  for (const one of open.splice(0)) await one.stop();
});

/** Time that goes by in short steps only: what holds this process up slows the plant down, and leaves nothing out. */
function unhurriedClock(): Clock {
  let [nowMs, seenMs] = [0, systemClock.monotonicMs()];
  const monotonicMs = () => {
    const realMs = systemClock.monotonicMs();
    nowMs += Math.min(realMs - seenMs, 200);
    seenMs = realMs;
    return nowMs;
  };
  return { ...systemClock, monotonicMs };
}

it('is heard whole by the sources that demoConfig describes', async () => {
  const url = `mqtt://127.0.0.1:${await freePort()}`;
  // The plant is there first: its sensors wait for the broker in the gateway.
  const deps = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
  plant = await startPlant({ ...deps, clock: unhurriedClock(), mqtt: { url }, gearbox: true });
  const config = demoConfig(plant.endpoints, '/tmp/unused') as {
    sources: { connection?: object }[];
  };
  const sink = new TestSink();
  const metrics = new Metrics();
  for (const entry of config.sources) {
    // No answer is late, whatever holds this process up.
    if (entry.connection !== undefined) entry.connection = { ...entry.connection, timeout: '60s' };
    const source = await createSource(sourceConfigSchema.parse(entry), {
      ...deps,
      gatewayId: 'gw-1',
      metrics,
      sink,
      onStatus: () => undefined,
    });
    open.unshift(source);
    await source.start();
  }
  const all = () => [...sink.stored, ...sink.offered];
  const blocksOf = (point: string) =>
    all().flatMap(({ blocks = [] }) => blocks.filter((block) => block.point === point));
  const waveforms = [
    'pump-1.bearing-de.acceleration',
    'pump-1.bearing-nde.acceleration',
    'fan-1.casing.acceleration',
    'fan-1.inlet.sound-pressure',
    'gearbox-1.input-shaft.acceleration',
  ];
  const scalars = ['fan-1.motor.temperature', ...PLANT_REGISTERS.map(({ point }) => point)];
  await until(() => {
    for (const point of waveforms) expect(blocksOf(point).length).toBeGreaterThan(5);
    const heard = new Set(all().flatMap(({ readings = [] }) => readings.map(({ point }) => point)));
    expect([...heard].sort()).toEqual(scalars.sort());
  });
  for (const { readings = [] } of all()) for (const reading of readings) expect(reading.quality).toBe('good');
  for (const point of waveforms) {
    const blocks = blocksOf(point);
    blocks.forEach((block, i) => {
      expect(block.quality).toBe('good');
      expect((block.samples.length / block.sampleRateHz) * 1000).toBeCloseTo(160, 9);
      const before = blocks[i - 1];
      if (before === undefined) return;
      expect(block.sequence).toBe(before.sequence! + 1);
      // Contiguous within half a sample.
      expect(
        Math.abs(block.startTimeMs - before.startTimeMs - 160) * (block.sampleRateHz / 1000),
      ).toBeLessThan(0.5);
    });
  }
});

it('answers for its transmitters over Modbus TCP', async () => {
  plant = await startPlant({ clock: systemClock, random: seededRandom(1), logger: silentLogger });
  const client = new modbus.default();
  const { host, port } = plant.endpoints.modbus;
  await client.connectTCP(host, { port });
  open.push({ stop: async () => void client.close(() => undefined) });
  client.setTimeout(60_000);
  client.setID(1);
  const { data } = await client.readInputRegisters(16, 4);
  expect(data[0]! * 0.1).toBeCloseTo(50, 0);
  expect(data[1]! * 0.01).toBeGreaterThan(40);
  expect(data[2]! * 0.1).toBeGreaterThan(1760);
  expect(data[3]! * 0.001).toBeCloseTo(5.4, 0);
  await expect(client.readInputRegisters(15, 2)).rejects.toMatchObject({ modbusCode: 2 });
  await expect(client.readHoldingRegisters(16, 1)).rejects.toMatchObject({ modbusCode: 2 });
});

it('sends whole vibration frames, one after the other, to whoever connects to its serial line', async () => {
  plant = await startPlant({ clock: systemClock, random: seededRandom(1), logger: silentLogger });
  const { host, port } = plant.endpoints.serial;
  const socket = connect(port, host);
  open.push({ stop: async () => void socket.destroy() });
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  // Sync word, length, counter and 4096 samples, check value.
  const frameBytes = 2 + 2 + 2 + 8192 + 2;
  await until(() => expect(bytes.length).toBeGreaterThanOrEqual(3 * frameBytes));
  const counters = [0, 1, 2].map((i) => {
    expect(bytes.readUInt16BE(i * frameBytes)).toBe(0xa55a);
    expect(bytes.readUInt16LE(i * frameBytes + 2)).toBe(8194);
    return bytes.readUInt16LE(i * frameBytes + 4);
  });
  expect(counters).toEqual([counters[0]!, counters[0]! + 1, counters[0]! + 2]);
});

it('says so when a port is taken', async () => {
  const taken = new SerialDeviceServer();
  const { port } = await taken.start();
  open.push(taken);
  const options = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
  await expect(startPlant({ ...options, serial: { port } })).rejects.toMatchObject({ code: 'PLANT_LISTEN' });
  await expect(startPlant({ ...options, modbus: { port } })).rejects.toMatchObject({ code: 'PLANT_LISTEN' });
});

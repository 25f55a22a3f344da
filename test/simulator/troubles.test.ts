import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { SteadyClock } from '#sm/base/steady-clock.js';
import { main } from '#sm/cli/main.js';
import { PlantControl } from '#sm/simulator/control.js';
import { demoConfig } from '#sm/simulator/demo-config.js';
import { type Plant, type PlantOptions, startPlant } from '#sm/simulator/plant.js';
import { FrameTroubles } from '#sm/simulator/troubles.js';
import { Intake } from '#sm/sources/intake/intake.js';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { serialPart } from '#sm/sources/serial/index.js';
import { isState, run, until } from '../sources/support.js';
import { hasSocat } from '../support/socat.js';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function plantWith(more: Partial<PlantOptions> = {}) {
  const plant = await startPlant({
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    faultAfterMs: Number.POSITIVE_INFINITY,
    ...more,
  });
  open.push(() => plant.stop());
  const control = new PlantControl(plant.controls, systemClock, () => undefined);
  open.push(() => control.stop());
  const tell = async (line: string) => {
    const { ok, text } = await control.run(line);
    if (!ok) throw new Error(text);
    return text;
  };
  return { plant, control, tell };
}

/** The source of the plant's own config, without id and type, faster. */
function configOf(plant: Plant, id: string): Record<string, unknown> {
  const { sources } = demoConfig(plant.endpoints, '/unused') as { sources: { id: string }[] };
  const {
    id: _id,
    type: _type,
    ...config
  } = sources.find((source) => source.id === id) as {
    id: string;
    type: string;
    units?: { interval: string }[];
  };
  for (const unit of config.units ?? []) unit.interval = '100ms';
  return config;
}

const start = async (...args: Parameters<typeof run>) => {
  const running = await run(...args);
  open.push(() => running.source.stop());
  return running;
};

describe.skipIf(!hasSocat())('the lines of the plant, on ports that socat makes', () => {
  it('are read, spoiled, unplugged and found again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sm-edge-plant-'));
    open.push(() => rm(folder, { recursive: true, force: true }));
    const ports = { rtu: join(folder, 'rtu'), serial: join(folder, 'node') };
    const { plant, tell } = await plantWith({ ports, gearbox: true });
    const bus = await start(modbusPart, configOf(plant, 'plant-bus'));
    const node = await start(serialPart, configOf(plant, 'plant-line'));
    await until(() => {
      expect(new Set(bus.readings.map(({ point }) => point)).size).toBe(7);
      expect(node.blocks.length).toBeGreaterThan(3);
    });
    await tell('rtu corrupt 0.4');
    await tell('serial corrupt 0.4');
    await tell('serial garbage 0.5');
    const blocks = node.blocks.length;
    await until(async () => {
      expect(await node.counter('sm_edge_serial_unusable_frames_total', { reason: 'check' })).toBeGreaterThan(
        0,
      );
      expect(await node.counter('sm_edge_serial_garbage_bytes_total')).toBeGreaterThan(0);
      expect(node.blocks.length).toBeGreaterThan(blocks + 3);
    });
    // What got through is whole: no sample of a spoiled frame is among them.
    for (const { samples } of node.blocks) expect(samples).toHaveLength(4096);
    const speeds = bus.readings.filter(
      ({ point, quality }) => point === 'pump-1.shaft.speed' && quality === 'good',
    );
    for (const { value } of speeds) expect(Math.abs(value - 1780)).toBeLessThan(40);
    await tell('mend');
    await Promise.all([tell('rtu unplug'), tell('serial unplug')]);
    await Promise.all([isState(bus.source, 'degraded'), isState(node.source, 'degraded')]);
    await Promise.all([tell('rtu plug'), tell('serial plug')]);
    await Promise.all([isState(bus.source, 'good'), isState(node.source, 'good')]);
  });
});

describe('troubles of the plant', () => {
  it('one unit falls silent, errs and comes back; the others never notice', async () => {
    const { plant, tell } = await plantWith();
    const config = configOf(plant, 'plant-bus');
    config.connection = { ...(config.connection as object), timeout: '100ms' };
    const bus = await start(modbusPart, config);
    const last = (point: string) => bus.readings.findLast((reading) => reading.point === point);
    await until(() => expect(last('fan-1.shaft.speed')?.quality).toBe('good'));
    await tell('modbus silent 2');
    await until(() => {
      expect(last('fan-1.shaft.speed')).toMatchObject({ quality: 'bad', reason: 'timeout' });
      expect(last('pump-1.shaft.speed')?.quality).toBe('good');
    });
    await tell('mend modbus');
    await tell('modbus exception 4 1');
    await until(() => expect(last('pump-1.shaft.speed')?.quality).toBe('bad'));
    await tell('mend modbus');
    await until(() => expect(last('pump-1.shaft.speed')?.quality).toBe('good'));
    await tell('modbus cut');
    const seen = bus.readings.length;
    await until(() => expect(bus.readings.slice(seen).some(({ quality }) => quality === 'good')).toBe(true));
  });

  it.each([
    ['dead', 'constant'],
    ['clip', 'clipping'],
    ['dropout', 'dropout'],
    ['offset', 'dc-offset'],
  ])('a sensor that is %s is found by the gateway as %s', async (trouble, reason) => {
    const { plant, tell } = await plantWith();
    await tell(`sensor pump-1.bearing-nde.acceleration ${trouble}`);
    const { machines, sensors } = plant.controls;
    const seen: string[] = [];
    const sink = { analyse: async () => undefined, store: async () => undefined, pressure: () => 0 };
    const config = serialPart.configSchema.parse({
      id: 's',
      type: 'serial',
      ...configOf(plant, 'plant-line'),
    });
    const metrics = new Metrics();
    const clock = new SteadyClock(systemClock);
    const intake = new Intake(
      config,
      { source: 's', clock, random: seededRandom(1), metrics, sink: { ...sink, analyse: keep } },
      false,
    );
    async function keep({ blocks = [] }: { blocks?: readonly { reason?: string }[] }) {
      for (const block of blocks) seen.push(block.reason ?? '');
    }
    const block = machines.next(Date.now());
    sensors.apply(block);
    intake.offer({
      blocks: [
        {
          point: 'pump-1.bearing-nde.acceleration',
          startTimeMs: Date.now(),
          sampleRateHz: 25_600,
          unit: 'g',
          samples: block.pump.nde,
          quality: 'good',
        },
      ],
    });
    expect(seen).toEqual([reason]);
  });

  it('frames are spoiled as often as was asked', () => {
    const troubles = new FrameTroubles(seededRandom(3));
    const frame = Uint8Array.from({ length: 100 }, (_, i) => i);
    expect(troubles.pieces(frame)).toEqual([frame]);
    troubles.set('lose', 0.2);
    troubles.set('corrupt', 0.3);
    let lost = 0;
    let corrupt = 0;
    for (let i = 0; i < 5000; i++) {
      const [piece] = troubles.pieces(frame);
      if (piece === undefined) lost++;
      else if (piece.some((byte, at) => byte !== frame[at])) corrupt++;
    }
    expect(lost / 5000).toBeCloseTo(0.2, 1);
    expect(corrupt / (5000 - lost)).toBeCloseTo(0.3, 1);
    troubles.clear();
    troubles.set('split', 1);
    const [head, tail] = troubles.pieces(frame);
    expect([...head!, ...tail!]).toEqual([...frame]);
  });

  it('commands that are wrong are told so, with what there is', async () => {
    const { control } = await plantWith({ gearbox: true });
    const errorOf = async (line: string) => {
      const { ok, text } = await control.run(line);
      expect(ok).toBe(false);
      return text;
    };
    expect(await errorOf('fault pump-1 tooth')).toContain('it has outer, inner, ball, cage');
    expect(await errorOf('fault pump-2 outer')).toContain('there are pump-1, fan-1, gearbox-1');
    expect(await errorOf('fault pump-1 outer 2')).toContain('"2" is no share');
    expect(await errorOf('fault pump-1 outer over soon')).toContain('no duration');
    expect(await errorOf('modbus exception x')).toContain('whole number');
    expect(await errorOf('rtu unplug')).toContain('has no port');
    expect(await errorOf('mqtt silent')).toContain('no MQTT sensors');
    expect(await errorOf('sensor pump-1.x clip')).toContain('there is no waveform');
    expect(await errorOf('dance')).toContain('help shows them');
    expect((await control.run('help')).text).toContain('fault MACHINE KIND');
    expect((await control.run('in 1min fault pump-1 outer')).ok).toBe(true);
  });
});

it('sm-edge simulate takes commands that are typed, and those that are sent', async () => {
  const [out, err, typed] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let answers = '';
  err.on('data', (chunk: Buffer) => {
    answers += chunk.toString();
  });
  const ended = main(
    [
      'node',
      'sm-edge',
      'simulate',
      '--json',
      '--fault-after',
      'never',
      '--duration',
      '1h',
      '--do',
      'speed fan-1 1200',
    ],
    {},
    { out, err, in: typed },
  );
  const [first] = (await new Promise<Buffer>((resolve) => out.once('data', resolve))).toString().split('\n');
  const { control } = JSON.parse(first!) as { control: { port: number } };
  typed.write('fault pump-1 outer 0.5\n');
  await until(() => expect(answers).toContain('pump-1: outer 0.5, at once'));
  const sent = async (...words: string[]) => {
    const [toldOut, toldErr] = [new PassThrough(), new PassThrough()];
    const argv = ['node', 'sm-edge', 'simulate', 'tell', String(control.port), ...words];
    const code = await main(argv, {}, { out: toldOut, err: toldErr });
    return { code, text: String(toldOut.read() ?? '') + String(toldErr.read() ?? '') };
  };
  expect(await sent('status')).toEqual({ code: 0, text: expect.stringContaining('pump-1: outer 0.50') });
  expect(await sent('fault', 'fan-1', 'outer')).toEqual({
    code: 1,
    text: expect.stringContaining('rubbing'),
  });
  process.emit('SIGTERM');
  expect(await ended).toBe(0);
  expect(answers).toContain('fan-1: 1200 rpm within some seconds');
});

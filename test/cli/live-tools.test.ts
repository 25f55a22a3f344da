import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '#sm/api/server.js';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { seededRandom } from '#sm/base/random.js';
import { textPlot } from '#sm/cli/text-plot.js';
import { parseConfig } from '#sm/config/load.js';
import { demoConfig } from '#sm/simulator/demo-config.js';
import { type Plant, startPlant } from '#sm/simulator/plant.js';
import { sm } from '../support/cli.js';
import { startGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

describe('the tools that look at a running gateway', () => {
  let plant: Plant;
  let gateway: Awaited<ReturnType<typeof startGateway>>;
  let url: string;

  beforeAll(async () => {
    plant = await startPlant({ clock: systemClock, random: seededRandom(1), logger: silentLogger });
    const { gateway: _own, storage: _folder, ...config } = demoConfig(plant.endpoints, '/unused');
    // Plant and gateway share this process: what holds it up is no fault of the bus.
    const sources = (config.sources as { connection?: object }[]).map(({ connection, ...source }) =>
      connection === undefined ? source : { ...source, connection: { ...connection, timeout: '30s' } },
    );
    gateway = await startGateway({ ...config, sources });
    url = `http://127.0.0.1:${await listen(gateway.api, { host: '127.0.0.1', port: 0 })}`;
    const points = ['bearing-de.acceleration', 'bearing-de.temperature', 'shaft.speed'];
    await until(() =>
      expect(gateway.gateway.board.points().map(({ point }) => point)).toEqual(
        expect.arrayContaining(points.map((point) => `pump-1.${point}`)),
      ),
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await plant.stop();
  });

  it('status tells the state of each part', async () => {
    const { code, out } = await sm('status', '--url', url);
    expect(code).toBe(0);
    expect(out).toMatch(/^gw-1 at site: \w+, version/);
    expect(out).toMatch(/source plant-bus +good/);
    expect(JSON.parse((await sm('status', '--url', url, '--json')).out)).toMatchObject({ gatewayId: 'gw-1' });
  });

  it('top shows sources with their rates, and points with their quality', async () => {
    const { out } = await sm('top', '--url', url, '--count', '2', '--interval', '300');
    expect(out).toMatch(/plant-bus +modbus +good/);
    expect(out).toMatch(/pump-1\.shaft\.speed +1\d{3} rpm .* good/);
    const { out: json } = await sm('top', '--url', url, '--count', '1', '--json');
    expect(JSON.parse(json)).toMatchObject({ health: { gatewayId: 'gw-1' }, sources: expect.any(Array) });
  });

  it('tail shows values as they come, and waveforms as a plot', async () => {
    const values = await sm('tail', 'pump-1.bearing-de.temperature', '--url', url, '--count', '2', '--json');
    const readings = values.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(readings).toHaveLength(2);
    expect(readings[1]).toMatchObject({
      kind: 'reading',
      unit: 'degC',
      quality: 'good',
      value: expect.any(Number),
    });
    expect(Date.parse(readings[1].time)).toBeGreaterThan(Date.parse(readings[0].time));
    const plot = await sm('tail', 'pump-1.bearing-de.acceleration', '--url', url, '--count', '1');
    expect(plot.out).toMatch(/25600 Hz, rms 0\.\d+ g/);
    expect(plot.out.split('\n').length).toBeGreaterThan(10);
  });

  it('say what is wrong, and what to do', async () => {
    const missing = await sm('tail', 'pump-9.speed', '--url', url);
    expect(missing.code).toBe(1);
    expect(missing.err).toContain('nothing has come from a point named pump-9.speed');
    const dead = await sm('status', '--url', 'http://127.0.0.1:1', '--json');
    expect(dead.code).toBe(1);
    expect(JSON.parse(dead.out)).toMatchObject({ ok: false, error: { code: 'DAEMON_UNREACHABLE' } });
  });

  it('points are listed with their newest value, and a waveform is given', async () => {
    const { points } = (await gateway.api.inject('/api/v1/points')).json();
    expect(points.find(({ point }: { point: string }) => point === 'pump-1.shaft.speed')).toMatchObject({
      kind: 'reading',
      unit: 'rpm',
      quality: 'good',
      reason: null,
    });
    const wave = await gateway.api.inject('/api/v1/points/pump-1.bearing-de.acceleration/waveform?ms=100');
    expect(wave.json()).toMatchObject({ sampleRateHz: 25_600, unit: 'g' });
    expect(wave.json().samples).toHaveLength(2560);
    expect((await gateway.api.inject('/api/v1/points/no.such')).statusCode).toBe(404);
    expect((await gateway.api.inject('/api/v1/points/pump-1.shaft.speed/waveform')).statusCode).toBe(404);
    expect((await gateway.api.inject('/api/v1/live?interval=1')).statusCode).toBe(400);
  });

  it('probe serial guesses a config that check accepts', async () => {
    const { host, port } = plant.endpoints.serial;
    const { code, out } = await sm('probe', 'serial', `${host}:${port}`, '--duration', '3s', '--json');
    expect(code).toBe(0);
    const result = JSON.parse(out) as { yaml: string; guesses: { confidence: number }[] };
    expect(result.guesses[0]!.confidence).toBeGreaterThan(0.9);
    expect(result.yaml).toContain('crc16-ccitt-false');
    expect(result.yaml).toContain('25600');
    const config = `gateway: { id: a }\nstorage: { path: /tmp/x }\n${result.yaml}`;
    expect(() => parseConfig('probe.yaml', config, {})).not.toThrow();
    const text = await sm('probe', 'serial', `${host}:${port}`, '--duration', '2s');
    expect(text.out).toContain('framings, the likeliest first');
  });

  it('scan serial lists ports, or says that there are none', async () => {
    const { code, out } = await sm('scan', 'serial', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ ports: expect.any(Array) });
  });
});

describe('a waveform as text', () => {
  it('shows every peak, with its scale and its time', () => {
    const samples = new Float32Array(10_000);
    samples[4_321] = 5;
    const plot = textPlot(samples, 10_000, 'g', { columns: 60, rows: 5 }).split('\n');
    expect(plot[0]).toMatch(/^ *5 \+ +\|$/);
    expect(plot.at(-1)).toMatch(/ g +0 \.+ 1000 ms$/);
    expect(textPlot([], 1, 'g', { columns: 60, rows: 5 })).toBe('(no signal)');
    expect(textPlot([2, 2, 2], 1, 'g', { columns: 60, rows: 5 })).toContain('---');
  });
});

import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { seededRandom } from '#sm/base/random.js';
import { demoConfig } from '#sm/simulator/demo-config.js';
import { type Plant, startPlant } from '#sm/simulator/plant.js';
import { isGood, startSource, TestSink, until } from '../sources/mqtt/support.js';
import { freePort } from '../support/mosquitto.js';

let plant: Plant | undefined;
const open: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await plant?.stop();
  for (const one of open.splice(0)) await one.stop();
});

it('publishes to the broker of the gateway that demoConfig describes', async () => {
  const url = `mqtt://127.0.0.1:${await freePort()}`;
  // The plant is there first: its sensors wait for the broker.
  plant = await startPlant({
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    mqtt: { url },
  });
  const config = demoConfig(plant.endpoints, '/tmp/unused') as { sources: Record<string, unknown>[] };
  const sink = new TestSink();
  const { source, counter } = await startSource(config.sources[0]!, { sink });
  open.push(source);
  await isGood(source);
  const blocksOf = (point: string) => sink.blocks.filter((block) => block.point === point);
  await until(() => {
    expect(blocksOf('pump-1.bearing-nde.acceleration').length).toBeGreaterThan(5);
    expect(blocksOf('fan-1.casing.acceleration').length).toBeGreaterThan(5);
    expect(blocksOf('fan-1.inlet.sound-pressure').length).toBeGreaterThan(5);
    expect(sink.readings.some(({ point }) => point === 'fan-1.motor.temperature')).toBe(true);
  });
  for (const point of ['pump-1.bearing-nde.acceleration', 'fan-1.inlet.sound-pressure']) {
    const blocks = blocksOf(point);
    blocks.forEach((block, i) => {
      expect(block.quality).toBe('good');
      const before = blocks[i - 1];
      if (before === undefined) return;
      expect(block.sequence).toBe(before.sequence! + 1);
      expect(block.startTimeMs - before.startTimeMs).toBeCloseTo(160, 1);
      expect((block.samples.length / block.sampleRateHz) * 1000).toBeCloseTo(160, 9);
    });
  }
  expect(await counter('sm_edge_mqtt_unusable_messages_total')).toBe(0);
  expect(await counter('sm_edge_mqtt_stream_gaps_total')).toBe(0);
});

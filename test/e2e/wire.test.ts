import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { Store } from '#sm/storage/store.js';
import { Daemon, eventually } from '../support/daemon.js';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.js';
import { NUMBERED_HEADER, numbered } from '../support/numbered.js';
import { type WireSignal, wireSignals } from '../support/recordings.js';

const BLOCK = 1024;

describe.skipIf(!hasMosquitto())('real vibration through the real wire', () => {
  let mosquitto: Mosquitto;
  let daemon: Daemon;
  let client: MqttClient;
  let signals: readonly WireSignal[];

  beforeAll(async () => {
    signals = await wireSignals();
    mosquitto = await Mosquitto.start({ config: 'max_queued_messages 0' });
    const subscription = (rateHz: number) => `
      - filter: rig-${rateHz}/{machine}/{position}/vibration
        point: "{machine}.{position}.acceleration"
        payload: { kind: waveform, encoding: float32le, sampleRateHz: ${rateHz}, unit: g, ${NUMBERED_HEADER} }`;
    daemon = await Daemon.create(`
sources:
  - id: plant-mqtt
    type: mqtt
    broker: { url: ${mosquitto.url}, version: 5 }
    subscriptions:${subscription(12_000)}${subscription(48_000)}
`);
    await daemon.start();
    await eventually('the source is good', async () => {
      const { parts } = await daemon.json<{ parts: { part: string; state: string }[] }>('/health');
      return parts.some(({ part, state }) => part === 'source plant-mqtt' && state === 'good')
        ? true
        : undefined;
    });
    client = await connectAsync(mosquitto.url, { protocolVersion: 5, clientId: 'rig' });
  });

  afterAll(async () => {
    await client?.endAsync();
    await daemon?.remove();
    await mosquitto?.stop();
  });

  it('stores every sample of every recording, and analyses them', async () => {
    let blocks = 0;
    for (const { name, sampleRateHz, samples } of signals) {
      for (let from = 0; from < samples.length; from += BLOCK, blocks++) {
        const payload = numbered(from / BLOCK, samples.subarray(from, from + BLOCK));
        await client.publishAsync(`rig-${sampleRateHz}/${name}/de/vibration`, payload, { qos: 1 });
      }
    }
    await eventually('all blocks arrive', async () =>
      (await daemon.metric('sm_edge_pipeline_blocks_total')) >= blocks ? true : undefined,
    );
    const analysed = await eventually('a window is analysed', async () => {
      const windows = await daemon.metric('sm_edge_pipeline_windows_total');
      return windows > 0 ? windows : undefined;
    });
    const { code, ms } = await daemon.end('SIGTERM');
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
    expect(analysed).toBeGreaterThan(0);

    const store = await Store.open({ folder: daemon.dataDir, clock: systemClock, metrics: new Metrics() });
    try {
      for (const { name, samples } of signals) {
        const point = `${name}.de.acceleration`;
        const stored = await store.blocks(point, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 10_000);
        const whole = new Float32Array(stored.reduce((sum, block) => sum + block.samples.length, 0));
        let at = 0;
        for (const block of stored) {
          whole.set(block.samples, at);
          at += block.samples.length;
        }
        expect(whole.length, point).toBe(samples.length);
        const wrong = whole.findIndex((value, index) => value !== samples[index]);
        expect(wrong, `${point}: first wrong sample`).toBe(-1);
      }
      expect(await store.integrityCheck()).toEqual([]);
    } finally {
      await store.close();
    }
  });
});

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { Daemon, eventually } from '../support/daemon.js';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.js';
import { soakCount, soakResult, soakTimeoutMs } from '../support/soak.js';
import { type AlarmEvent, Stored } from '../support/stored.js';

const KILLS = soakCount(10);
const BLOCK = 1024;
const MACHINES = 4;
/** Blocks sent before each kill: at 40 a machine and second that is up to a second of load. */
const ROUND = 40;

/**
 * What the broker holds until the gateway acknowledges is delivered again; so after any number of kills everything
 * that was published must be in the store: a message acknowledged but not stored would be missing.
 */
describe.skipIf(!hasMosquitto())('kill -9 under load', () => {
  let mosquitto: Mosquitto;
  let daemon: Daemon;
  let client: MqttClient;

  const subscribed = () =>
    eventually('the subscription is there', async () => {
      const { parts } = await daemon.json<{ parts: { part: string; state: string }[] }>('/health');
      return parts.every(({ state }) => state === 'good') || undefined;
    });

  beforeAll(async () => {
    mosquitto = await Mosquitto.start({ config: 'max_queued_messages 0' });
    daemon = await Daemon.create(`
sources:
  - id: plant-mqtt
    type: mqtt
    broker: { url: ${mosquitto.url}, version: 5 }
    subscriptions:
      - filter: plant/{machine}/vibration
        point: "{machine}.de.acceleration"
        payload: { kind: waveform, encoding: float32le, sampleRateHz: 25600, unit: g }
      - filter: plant/{machine}/temperature
        point: "{machine}.temperature"
        payload: { kind: json, value: $.value, time: { path: $.ts, unit: ms }, unit: degC }
      - filter: plant/{machine}/switch
        point: "{machine}.switch"
        payload: { kind: json, value: $.value, time: { path: $.ts, unit: ms }, unit: V }
alarms:
  - { id: on, point: "*.switch", above: 50 }
  - { id: anomaly, point: "*", anomaly: true, enabled: false }
`);
    await daemon.start();
    await subscribed();
    client = await connectAsync(mosquitto.url, { protocolVersion: 5, clientId: 'load' });
  });

  afterAll(async () => {
    await client?.endAsync();
    await daemon?.remove();
    await mosquitto?.stop();
  });

  it(
    `loses nothing in ${KILLS} kills at random moments, and leaves a sound store`,
    async () => {
      const random = seededRandom(7);
      const blocks = new Set<number>();
      const readings = new Set<string>();
      const changes = new Set<string>();
      let number = 0;
      // Not long ago: retention deletes, on the full minute, what is older than it has to be kept.
      const startMs = Date.now() - 3_600_000;

      const publish = async () => {
        const machine = `m${number % MACHINES}`;
        const samples = Float32Array.from({ length: BLOCK }, () => random() - 0.5);
        const payload = Buffer.from(samples.buffer);
        const timeMs = startMs + number;
        blocks.add(crc32(payload));
        readings.add(`${machine}.temperature ${timeMs * 1000} ${number}`);
        // Each value of the switch changes the alarm of its machine.
        const isOn = Math.floor(number / MACHINES) % 2 === 0;
        const time = new Date(timeMs).toISOString();
        changes.add(`${machine}.switch ${time} ${isOn ? 'AlarmRaised' : 'AlarmReturnedToNormal'}`);
        await Promise.all([
          client.publishAsync(
            `plant/${machine}/switch`,
            JSON.stringify({ value: isOn ? 100 : 0, ts: timeMs }),
            {
              qos: 1,
            },
          ),
          client.publishAsync(`plant/${machine}/vibration`, payload, { qos: 1 }),
          client.publishAsync(`plant/${machine}/temperature`, JSON.stringify({ value: number, ts: timeMs }), {
            qos: 1,
          }),
        ]);
        number++;
      };

      for (let kill = 0; kill < KILLS; kill++) {
        const killAfter = 1 + Math.floor(random() * (ROUND - 1));
        let ended: Promise<unknown> | undefined;
        for (let i = 0; i < ROUND; i++) {
          await publish();
          if (i === killAfter) ended = daemon.end('SIGKILL');
        }
        await ended;
        await daemon.start();
        // A life that is over before it has a subscription has nothing to lose.
        await subscribed();
      }

      const view = new Stored(join(daemon.dataDir, DATABASE_FILE));
      try {
        const storedBlocks = () =>
          new Set(view.db.prepare('SELECT crc FROM waveforms').pluck().all() as number[]);
        const storedReadings = () =>
          new Set(view.readings().map(({ point, timeMs, value }) => `${point} ${timeMs * 1000} ${value}`));
        const missing = () => {
          const haveBlocks = storedBlocks();
          const haveReadings = storedReadings();
          const haveChanges = new Set(
            view.alarmEvents().map(({ point, time, type }) => `${point} ${time} ${type}`),
          );
          return {
            changes: [...changes].filter((key) => !haveChanges.has(key)).length,
            blocks: [...blocks].filter((crc) => !haveBlocks.has(crc)).length,
            readings: [...readings].filter((key) => !haveReadings.has(key)).length,
          };
        };
        // The broker still delivers what was not acknowledged; it has a deadline for it, not a guessed sleep.
        await eventually('everything is delivered', () => {
          const { blocks: b, readings: r, changes: c } = missing();
          return b + r + c === 0 ? true : undefined;
        }).catch(() => undefined);
        expect(missing()).toEqual({ changes: 0, blocks: 0, readings: 0 });
        expectUnbroken(view.alarmEvents(), view.alarmStates());
      } finally {
        view.close();
      }
      expect((await daemon.end('SIGTERM')).code).toBe(0);
      const after = new SqliteDatabase(join(daemon.dataDir, DATABASE_FILE));
      expect(after.pragma('integrity_check', { simple: true })).toBe('ok');
      soakResult({
        kills: KILLS,
        blocks: blocks.size,
        readings: readings.size,
        changesOfAlarms: changes.size,
        lost: 0,
      });
      after.close();
    },
    soakTimeoutMs(480_000),
  );
});

/** In the order of the journal each change begins where the one before it ended, and the stored state is the last one. */
function expectUnbroken(events: readonly AlarmEvent[], states: ReadonlyMap<string, string>): void {
  const last = new Map<string, string>();
  for (const { point, from, to } of events) {
    expect(from).toBe(last.get(point) ?? 'normal');
    last.set(point, to);
  }
  expect(states).toEqual(last);
}

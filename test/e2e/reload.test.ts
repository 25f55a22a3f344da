import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { ModbusServer } from '#sm/simulator/modbus/server.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { Daemon, eventually } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.js';
import { NUMBERED_HEADER, numbered } from '../support/numbered.js';
import { Stored } from '../support/stored.js';

/** What was started by a test, in the order in which it is to end. */
const toEnd: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

async function modbusServer(): Promise<number> {
  const server = new ModbusServer({ read: (_table, _unit, _address, count) => Array(count).fill(60) });
  const { port } = await server.start();
  toEnd.push(() => server.stop());
  return port;
}

const modbusSource = (id: string, port: number) => `
  - id: ${id}
    type: modbus
    connection: { transport: tcp, host: 127.0.0.1, port: ${port}, timeout: 30s }
    units:
      - { unitId: 1, interval: 100ms, points: [ { point: ${id}.b.temperature, register: input, address: 0, type: uint16, unit: degC } ] }`;

const mqttSource = (url: string) => `
  - id: plant
    type: mqtt
    broker: { url: "${url}", version: 5 }
    subscriptions:
      - { filter: "plant/{m}/temperature", point: "{m}.b.temperature", payload: { kind: json, value: $.v, unit: degC } }`;

/** Writes other sections below the daemon's own, and tells it. */
async function reload(daemon: Daemon, head: string, sections: string): Promise<void> {
  await writeFile(daemon.config, `${head}${sections}`);
  daemon.signal('SIGHUP');
}

const headOf = async (daemon: Daemon): Promise<string> =>
  (await readFile(daemon.config, 'utf8')).split('\n').slice(0, 3).join('\n');

const sources = async (daemon: Daemon): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await daemon.json<{ parts: { part: string; state: string }[] }>('/health')).parts
      .filter(({ part }) => part.startsWith('source '))
      .map(({ part, state }) => [part.slice(7), state]),
  );

const become = (daemon: Daemon, wanted: Record<string, string>) =>
  eventually(`the sources are ${JSON.stringify(wanted)}`, async () => {
    const now = await sources(daemon);
    const same = JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(wanted).sort());
    return same ? true : undefined;
  });

const events = (daemon: Daemon): { type: string; payload: { point?: string; alarm?: string } }[] => {
  const db = new SqliteDatabase(join(daemon.dataDir, DATABASE_FILE), { readonly: true });
  try {
    const rows = db.prepare('SELECT type, payload FROM events ORDER BY seq').all() as {
      type: string;
      payload: string;
    }[];
    return rows.map(({ type, payload }) => ({ type, payload: JSON.parse(payload) }));
  } finally {
    db.close();
  }
};

const featureNames = (daemon: Daemon): string[] => {
  const db = new SqliteDatabase(join(daemon.dataDir, DATABASE_FILE), { readonly: true });
  try {
    const lists = db.prepare("SELECT detail FROM series WHERE kind = 'features'").pluck().all() as string[];
    return lists.flatMap((names) => names.match(/[\w.-]+/g) ?? []);
  } finally {
    db.close();
  }
};

const raised = (daemon: Daemon) =>
  events(daemon).flatMap(({ type, payload }) => (type === 'AlarmRaised' ? [payload.alarm] : []));

const logged = (daemon: Daemon, text: string): Promise<true> =>
  eventually(`it logs "${text}"`, () => (daemon.log.includes(text) ? true : undefined));

describe.skipIf(!hasMosquitto())('SIGHUP', () => {
  it('takes a changed config into force part by part', async () => {
    const mosquitto = await Mosquitto.start();
    toEnd.push(() => mosquitto.stop());
    const [going, coming, steady] = [await modbusServer(), await modbusServer(), await modbusServer()];
    const alarms = (above: number) => `
alarms:
  - { id: hot, point: "steady.b.temperature", above: ${above} }
`;
    const stays = `${mqttSource(mosquitto.url)}${modbusSource('steady', steady)}`;
    const daemon = await Daemon.create(`sources:${stays}${modbusSource('going', going)}${alarms(90)}`);
    toEnd.unshift(() => daemon.remove());
    const head = await headOf(daemon);
    await daemon.start();
    await become(daemon, { plant: 'good', steady: 'good', going: 'good' });
    expect(raised(daemon)).toEqual([]);

    await reload(daemon, head, `\nsources:${stays}${modbusSource('coming', coming)}${alarms(50)}`);
    await become(daemon, { plant: 'good', steady: 'good', coming: 'good' });
    await eventually('the new limit is in force', () => (raised(daemon).includes('hot') ? true : undefined));
    const requests = (id: string) => daemon.metric('sm_edge_modbus_requests_total', new RegExp(`"${id}"`));
    const [before, goneBefore] = [await requests('coming'), await requests('going')];
    await eventually('the new source is read', async () =>
      (await requests('coming')) > before + 3 ? true : undefined,
    );
    expect(await requests('going')).toBe(goneBefore);
    // What did not change was not touched: the broker and the server saw one connection each.
    expect(await daemon.metric('sm_edge_mqtt_connections_total', /"plant"/)).toBe(1);
    expect(await daemon.metric('sm_edge_modbus_connections_total', /"steady"/)).toBe(1);
    expect(daemon.log).not.toContain('link lost');

    // A message by the kept connection still arrives.
    const client = await connectAsync(mosquitto.url);
    toEnd.unshift(() => client.endAsync());
    await client.publishAsync('plant/p/temperature', '{"v": 41}', { qos: 1 });
    await eventually('it is acknowledged', async () =>
      (await daemon.metric('sm_edge_mqtt_acknowledged_total', /"plant"/)) === 1 ? true : undefined,
    );
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });

  it('takes what is known of a machine into force', async () => {
    const brokerPort = await freePort();
    const source = `
sources:
  - id: plant
    type: mqtt
    broker: { embedded: { listen: "127.0.0.1:${brokerPort}" } }
    subscriptions:
      - { filter: "plant/{m}/vibration", point: "{m}.de.acceleration", payload: { kind: waveform, encoding: float32le, sampleRateHz: 12000, unit: g, ${NUMBERED_HEADER} } }
`;
    const daemon = await Daemon.create(source);
    toEnd.unshift(() => daemon.remove());
    const head = await headOf(daemon);
    await daemon.start();
    const client = await connectAsync(`mqtt://127.0.0.1:${brokerPort}`);
    toEnd.unshift(() => client.endAsync());
    let block = 0;
    /** Sends signal until a feature of that name has been stored. */
    const untilStored = (feature: string) =>
      eventually(`${feature} is stored`, async () => {
        const samples = Float32Array.from({ length: 4096 }, (_, i) => Math.sin((i + 4096 * block) * 0.0157));
        await client.publishAsync('plant/p/vibration', numbered(block++, samples), { qos: 1 });
        return featureNames(daemon).includes(feature) ? true : undefined;
      });
    await untilStored('rms');
    expect(featureNames(daemon)).not.toContain('bpfo');
    const machine = '{ id: p, class: pump, nameplate: { speedRpm: 1780, bearings: { de: "6205" } } }';
    await reload(daemon, head, `${source}machines: [ ${machine} ]\n`);
    await untilStored('bpfo');
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });

  it('leaves the old config in force where the new one is wrong, and says why once', async () => {
    const port = await modbusServer();
    const daemon = await Daemon.create(`sources:${modbusSource('bus', port)}\n`);
    toEnd.unshift(() => daemon.remove());
    const head = await headOf(daemon);
    await daemon.start();
    await become(daemon, { bus: 'good' });
    for (const [wrong, named] of [
      [`\nsources:${modbusSource('bus', port)}${modbusSource('bus', port)}\n`, 'bus'],
      [`\nsourcess: []\n`, 'sourcess'],
      ['\nsources: [\n', 'gateway.yaml'],
    ] as const) {
      const already = daemon.log.length;
      await reload(daemon, head, wrong);
      const line = await eventually('it says that the config is wrong', () =>
        daemon.log
          .slice(already)
          .split('\n')
          .find((each) => each.includes('the new config is wrong; the old one stays')),
      );
      expect(line).toContain('"level":"error"');
      expect(line).toContain(named);
    }
    expect(await sources(daemon)).toEqual({ bus: 'good' });
    expect(await daemon.metric('sm_edge_modbus_connections_total', /"bus"/)).toBe(1);
    // And a right one is taken again afterwards.
    await reload(daemon, head, `\nsources:${modbusSource('other', port)}\n`);
    await become(daemon, { other: 'good' });
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });

  it('several in a row, and one just before the end, are taken one after the other', async () => {
    const port = await modbusServer();
    const daemon = await Daemon.create(`sources:${modbusSource('bus-0', port)}\n`);
    toEnd.unshift(() => daemon.remove());
    const head = await headOf(daemon);
    await daemon.start();
    for (let n = 1; n <= 5; n++) {
      await reload(daemon, head, `\nsources:${modbusSource(`bus-${n}`, port)}\n`);
      await logged(daemon, 'the new config is in force');
    }
    await become(daemon, { 'bus-5': 'good' });
    await reload(daemon, head, `\nsources:${modbusSource('bus-6', port)}\n`);
    const { code, ms } = await daemon.end('SIGTERM');
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
  });
});

/** What the broker was not acknowledged it delivers again: with that, everything that was published is in the store. */
describe.skipIf(!hasMosquitto())('the end under load', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: exit 0 within 10 s, nothing acknowledged is lost',
    async (signal) => {
      const mosquitto = await Mosquitto.start({ config: 'max_queued_messages 0\nsys_interval 1' });
      toEnd.push(() => mosquitto.stop());
      const daemon = await Daemon.create(`
sources:
  - id: plant
    type: mqtt
    broker: { url: "${mosquitto.url}", version: 5 }
    subscriptions:
      - { filter: "plant/{m}/vibration", point: "{m}.de.acceleration", payload: { kind: waveform, encoding: float32le, sampleRateHz: 25600, unit: g } }
      - { filter: "plant/{m}/temperature", point: "{m}.b.temperature", payload: { kind: json, value: $.v, time: { path: $.ts, unit: ms }, unit: degC } }
`);
      toEnd.unshift(() => daemon.remove());
      await daemon.start();
      await become(daemon, { plant: 'good' });
      const client: MqttClient = await connectAsync(mosquitto.url);
      toEnd.unshift(() => client.endAsync(true));

      let published = 0;
      // Not long ago: retention deletes, on the full minute, what is older than it has to be kept.
      const startMs = Date.now() - 3_600_000;
      let stopAfter = Number.POSITIVE_INFINITY;
      const load = (async () => {
        while (published < stopAfter) {
          const n = published++;
          const samples = Buffer.from(Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i + n)).buffer);
          await Promise.all([
            client.publishAsync(`plant/m${n % 4}/vibration`, samples, { qos: 1 }),
            client.publishAsync('plant/m/temperature', JSON.stringify({ v: n, ts: startMs + n }), {
              qos: 1,
            }),
          ]);
        }
      })();
      await eventually('it is under load', async () =>
        (await daemon.metric('sm_edge_mqtt_acknowledged_total')) > 400 ? true : undefined,
      );
      const ending = daemon.end(signal);
      // However long the end takes: all of it has to be delivered afterwards.
      stopAfter = published + 1000;
      const { code, ms } = await ending;
      await load;
      expect(code).toBe(0);
      expect(ms).toBeLessThan(10_000);

      const stored = () => {
        const view = new Stored(join(daemon.dataDir, DATABASE_FILE));
        const { db } = view;
        try {
          return {
            readings: new Set(view.readings().map(({ timeMs }) => timeMs)).size,
            blocks: db.prepare('SELECT COUNT(DISTINCT crc) FROM waveforms').pluck().get() as number,
            sound: db.pragma('integrity_check', { simple: true }),
          };
        } finally {
          view.close();
        }
      };
      expect(stored().sound).toBe('ok');
      await daemon.start();
      await eventually('the rest is delivered', () => {
        const { readings, blocks } = stored();
        return readings === published && blocks === published ? true : undefined;
      });
      expect((await daemon.end(signal)).code).toBe(0);
    },
  );
});

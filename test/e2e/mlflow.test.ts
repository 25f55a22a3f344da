import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { Daemon, eventually } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { MlflowServer, requireMlflow } from '../support/mlflow.js';
import { NUMBERED_HEADER } from '../support/numbered.js';
import { Pump } from '../support/pump.js';
import { corrupted, modelFiles, pointAlias, registerVersion, verdictOf } from '../support/registry.js';
import { Stored } from '../support/stored.js';
import { eventFilesOf, historyOf, pairValue, runsOf, type UpstreamRun } from '../sync/support/upstream.js';

const POINT = 'pump-1.de.acceleration';
const MODEL = 'pump-vibration';
/** The longer MLflow was away, the longer the pause before the next attempt: up to twice that time. */
const LONGEST_PAUSE_MS = 150_000;

interface Health {
  readonly parts: readonly { part: string; state: string; reason: string }[];
}

interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly payload: Record<string, unknown>;
}

interface StoredScore {
  readonly model: string;
  readonly threshold: number;
  readonly fallback: string | null;
}

describe.skipIf(!requireMlflow())('the gateway and the central MLflow', () => {
  let mlflow: MlflowServer;
  let daemon: Daemon;
  let view: Stored | undefined;
  let pump: Pump | undefined;
  let brokerUrl: string;
  let experiment: string;
  let isAway = false;
  let tests = 0;

  beforeAll(async () => {
    mlflow = await MlflowServer.start();
  });

  afterAll(async () => {
    await mlflow?.remove();
  });

  beforeEach(async () => {
    if (isAway) await mlflow.restart();
    isAway = false;
    experiment = `plant-${++tests}`;
    const port = await freePort();
    brokerUrl = `mqtt://127.0.0.1:${port}`;
    daemon = await Daemon.create(`
sources:
  - id: plant-mqtt
    type: mqtt
    broker: { embedded: { listen: 127.0.0.1:${port} } }
    subscriptions:
      - filter: plant/{machine}/{position}/vibration
        point: "{machine}.{position}.acceleration"
        payload: { kind: waveform, encoding: float32le, sampleRateHz: 12000, unit: g, ${NUMBERED_HEADER} }
      - filter: plant/{machine}/temperature
        point: "{machine}.temperature"
        payload: { kind: json, value: $.value, time: { path: $.ts, unit: ms }, unit: degC }
machines:
  - { id: pump-1, class: pump, nameplate: { speedRpm: 1780, powerKw: 37 } }
alarms:
  - { id: hot, point: pump-1.temperature, above: 85, deadband: 3, priority: high }
sync:
  mlflow:
    trackingUri: ${mlflow.uri}
    experiment: ${experiment}
    interval: 1s
    modelInterval: 1s
    models: [ { name: ${experiment}-pump, alias: champion, for: { class: pump, quantity: acceleration } } ]
`);
  });

  afterEach(async () => {
    pump?.abandon();
    pump = undefined;
    view?.close();
    view = undefined;
    await daemon?.remove();
  });

  /** What the daemon has in its store, read beside it. */
  function stored(): Stored | undefined {
    const file = join(daemon.dataDir, DATABASE_FILE);
    if (view === undefined && existsSync(file)) view = new Stored(file);
    return view;
  }

  const query = <T>(sql: string): T[] => (stored()?.db.prepare(sql).all() ?? []) as T[];

  const events = (type?: string): StoredEvent[] =>
    query<{ id: string; type: string; payload: string }>('SELECT id, type, payload FROM events ORDER BY seq')
      .filter((event) => type === undefined || event.type === type)
      .map((event) => ({ ...event, payload: JSON.parse(event.payload) }));

  /** Scores of the pump's vibration by `NAME/VERSION`, oldest first. */
  const scores = (): StoredScore[] =>
    (stored()?.scores(POINT) ?? [])
      .filter(({ model }) => model !== 'baseline')
      .map(({ model, version, threshold, fallback }) => ({
        model: `${model}/${version}`,
        threshold,
        fallback: fallback ?? null,
      }));

  const scoredBy = (model: string): StoredScore[] => scores().filter((score) => score.model === model);

  /** Waits until this many further windows were scored by the model. */
  const scoredAgainBy = (model: string, times = 2): Promise<true> => {
    const before = scoredBy(model).length;
    return eventually(`${times} windows scored by ${model}`, () =>
      scoredBy(model).length >= before + times ? true : undefined,
    );
  };

  const syncHealth = async () =>
    (await daemon.json<Health>('/health')).parts.find(({ part }) => part === 'sync mlflow');

  /** Ids of the events of all runs, a file each. */
  async function eventsUpstream(): Promise<string[]> {
    const files = await Promise.all(
      (await runsOf(mlflow, experiment)).map((run) => eventFilesOf(mlflow, run)),
    );
    return files.flatMap((found) => [...found.values()].map((event) => (event as StoredEvent).id)).sort();
  }

  /** Waits until the last event of the journal is upstream, then compares them all. */
  async function expectEachEventOnce(): Promise<void> {
    const ids = events().map(({ id }) => id);
    await eventually('nothing waits for MLflow any more', () =>
      query(`SELECT id FROM outbox WHERE kind = 'event' LIMIT 1`).length === 0 &&
      query<{ seq: number }>(`SELECT seq FROM cursors WHERE subscriber = 'mlflow'`)[0]!.seq >= ids.length
        ? true
        : undefined,
    );
    expect(await eventsUpstream()).toEqual(ids.sort());
  }

  const runNamed = async (name: string): Promise<UpstreamRun> =>
    eventually(`the run ${name}`, async () =>
      (await runsOf(mlflow, experiment).catch(() => [])).find((run) => run.info.run_name === name),
    );

  const raisedUpstream = async (): Promise<number> => {
    const run = await runNamed('gw-test vibration-anomaly 1');
    return (await historyOf(mlflow, run.info.run_id, 'alarms.raised')).reduce(
      (sum, { value }) => sum + value,
      0,
    );
  };

  /** How many alarms were raised, once all of them are in the figures upstream. */
  const allRaisedUpstream = () =>
    eventually(
      'every raised alarm is in the figures',
      async () => {
        const sent = await raisedUpstream();
        return sent === events('AlarmRaised').length ? sent : undefined;
      },
      LONGEST_PAUSE_MS,
    );

  const readingsTaken = () => daemon.metric('sm_edge_pipeline_readings_total');

  it('follows an alias without a restart, and sends figures and events under their own times', async () => {
    const name = `${experiment}-pump`;
    const startMs = Date.now();
    await registerVersion(mlflow, name, 'champion', await modelFiles(MODEL, '1', 1));
    await daemon.start();
    pump = await Pump.start(brokerUrl);
    await scoredAgainBy(`${MODEL}/1`);
    expect(scoredBy(`${MODEL}/1`)[0]).toMatchObject({ threshold: 1, fallback: null });

    const second = await registerVersion(mlflow, name, 'champion', await modelFiles(MODEL, '2', 0.5));
    await scoredAgainBy(`${MODEL}/2`);
    expect(scoredBy(`${MODEL}/2`)[0]).toMatchObject({ threshold: 0.5, fallback: null });
    await eventually('the verdict on version 2', async () =>
      (await verdictOf(mlflow, name, second, 'gw-test')) === 'active' ? true : undefined,
    );

    const third = corrupted(await modelFiles(MODEL, '3', 2));
    const refused = await registerVersion(mlflow, name, 'champion', third);
    const verdict = await eventually('the verdict on the corrupt version', () =>
      verdictOf(mlflow, name, refused, 'gw-test'),
    );
    expect(verdict).toMatch(/^refused: MODEL_CHECKSUM/);
    await scoredAgainBy(`${MODEL}/2`);
    expect(scoredBy(`${MODEL}/3`)).toEqual([]);
    // Changing hands cost no window: none was left to the baseline.
    expect(scores().filter(({ fallback }) => fallback !== null)).toEqual([]);

    pump.knocking = true;
    pump.troubled = true;
    await eventually('the pump knocks and is hot', () =>
      events('AnomalyDetected').some(({ payload }) => payload.point === POINT) &&
      events('AlarmRaised').some(({ payload }) => payload.alarm === 'hot')
        ? true
        : undefined,
    );
    await pump.stop();
    pump = undefined;
    const ofPump = events('AnomalyDetected').filter(({ payload }) => payload.point === POINT);
    expect(ofPump[0]!.payload).toMatchObject({ model: MODEL, version: '2' });
    const promoted = events('ModelPromoted').map(({ payload }) => payload);
    expect(promoted).toMatchObject([
      { name: MODEL, version: '1', replaced: null },
      { name: MODEL, version: '2', replaced: `${MODEL}/1` },
    ]);

    const run = await runNamed(`gw-test ${MODEL} 2`);
    expect(pairValue(run.data.tags, 'sm_edge.gateway_id')).toBe('gw-test');
    expect(pairValue(run.data.params, 'model.version')).toBe('2');
    expect(pairValue(run.data.params, 'machine.pump-1.speedRpm')).toBe('1780');
    await allRaisedUpstream();
    for (const key of ['score.p95', 'drift.psi.rms', 'drift.samples']) {
      const history = await historyOf(mlflow, run.info.run_id, key);
      expect(history.length, key).toBeGreaterThan(0);
      for (const { timestamp, step } of history) {
        expect(timestamp).toBeGreaterThan(startMs);
        expect(timestamp).toBeLessThanOrEqual(Date.now());
        expect(step).toBe(Math.floor(timestamp / 1000));
      }
    }
    await expectEachEventOnce();
    const anomalies = [...(await eventFilesOf(mlflow, run)).values()] as StoredEvent[];
    expect(anomalies.map(({ type }) => type)).toContain('AnomalyDetected');

    const runs = (await runsOf(mlflow, experiment)).map(({ info }) => info.run_name).sort();
    expect((await daemon.end('SIGTERM')).code).toBe(0);
    await daemon.start();
    pump = await Pump.start(brokerUrl);
    await scoredAgainBy(`${MODEL}/2`);
    await pointAlias(mlflow, name, 'champion', '1');
    await scoredAgainBy(`${MODEL}/1`);
    await pump.stop();
    pump = undefined;
    expect(events('ModelPromoted').map(({ payload }) => payload.version)).toEqual(['1', '2', '1']);
    await expectEachEventOnce();
    expect((await runsOf(mlflow, experiment)).map(({ info }) => info.run_name).sort()).toEqual(runs);
  });

  it('loses and doubles nothing while MLflow is away, and when it is killed meanwhile', async () => {
    const name = `${experiment}-pump`;
    await registerVersion(mlflow, name, 'champion', await modelFiles(MODEL, '1', 1));
    await daemon.start();
    pump = await Pump.start(brokerUrl);
    pump.troubled = true;
    await scoredAgainBy(`${MODEL}/1`);
    await eventually('an alarm is in the figures', async () =>
      (await raisedUpstream()) > 0 ? true : undefined,
    );
    expect((await syncHealth())?.state).toBe('good');

    // Quiet, so that what was sent is known when the server is killed: it cannot be asked afterwards.
    pump.troubled = false;
    const sentBefore = await allRaisedUpstream();
    const awayMs = Date.now();
    isAway = true;
    await mlflow.kill();
    pump.troubled = true;
    const health = await eventually('the sync is degraded', async () => {
      const found = await syncHealth();
      return found?.state === 'degraded' ? found : undefined;
    });
    expect(health.reason).toMatch(/MLflow|127\.0\.0\.1/);
    expect((await fetch(`${daemon.base}/health/ready`)).status).toBe(200);
    const taken = await readingsTaken();
    const raised = events('AlarmRaised').length;
    await scoredAgainBy(`${MODEL}/1`);
    await eventually('alarms go on', () => (events('AlarmRaised').length >= raised + 3 ? true : undefined));
    expect(await readingsTaken()).toBeGreaterThan(taken);

    // Quiet first: what the kill may take are the figures of a period that has not ended.
    pump.troubled = false;
    const waiting = () =>
      query<{ payload: Buffer }>(`SELECT payload FROM outbox WHERE kind = 'metrics'`)
        .map(({ payload }) => JSON.parse(payload.toString()) as { metrics: Record<string, number> })
        .reduce((sum, { metrics }) => sum + (metrics['alarms.raised'] ?? 0), 0);
    await eventually('all figures are in the outbox', () =>
      sentBefore + waiting() >= events('AlarmRaised').length ? true : undefined,
    );
    await daemon.end('SIGKILL');
    await daemon.start();
    await scoredAgainBy(`${MODEL}/1`);
    expect((await syncHealth())?.state).not.toBe('good');
    pump.troubled = true;
    const before = events('AlarmRaised').length;
    await eventually('alarms after the restart', () =>
      events('AlarmRaised').length > before ? true : undefined,
    );

    const backMs = Date.now();
    await mlflow.restart();
    isAway = false;
    await eventually(
      'the sync is good again',
      async () => ((await syncHealth())?.state === 'good' ? true : undefined),
      LONGEST_PAUSE_MS,
    );
    await pump.stop();
    pump = undefined;
    await allRaisedUpstream();
    await expectEachEventOnce();
    expect(events('ModelPromoted')).toHaveLength(1);
    const runs = await runsOf(mlflow, experiment);
    expect(runs.map(({ info }) => info.run_name).sort()).toEqual([
      `gw-test ${MODEL} 1`,
      'gw-test vibration-anomaly 1',
    ]);
    for (const { info } of runs)
      for (const key of ['alarms.raised', 'score.p95', 'drift.psi.rms']) {
        const times = (await historyOf(mlflow, info.run_id, key)).map(({ timestamp }) => timestamp);
        expect(new Set(times).size, `${info.run_name} ${key}`).toBe(times.length);
        if (key === 'alarms.raised' && times.length > 0)
          expect(times.some((timeMs) => timeMs > awayMs && timeMs < backMs)).toBe(true);
      }
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { MlflowServer, requireMlflow } from '../support/mlflow.js';
import { modelFiles } from '../support/registry.js';
import { TestGateway } from './support/gateway.js';
import { TroubledProxy } from './support/proxy.js';
import { eventFilesOf, historyOf, pairValue, runsOf } from './support/upstream.js';

interface Version {
  readonly version: string;
  readonly source: string;
  readonly run_id: string;
  readonly tags?: { key: string; value: string }[];
}

const T0 = Date.UTC(2026, 0, 31, 23, 59, 0);
const PATIENCE = { timeout: 60_000, interval: 50 };

describe.skipIf(!requireMlflow())('figures and events reach a real MLflow', () => {
  let server: MlflowServer;
  let gateway: TestGateway;
  let proxy: TroubledProxy;

  beforeAll(async () => {
    server = await MlflowServer.start();
  });
  afterAll(() => server?.remove());
  beforeEach(async () => {
    gateway = await TestGateway.create();
    proxy = await TroubledProxy.start(server.port);
  });
  afterEach(async () => {
    await gateway.remove();
    await proxy.stop();
  });

  const allSent = () => vi.waitFor(async () => expect(await gateway.waiting()).toBe(0), PATIENCE);

  it('one experiment for the site, one run per model version, values at their own time', async () => {
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'first' });
    for (let minute = 0; minute < 3; minute++) {
      const timeMs = T0 + minute * 60_000;
      await sync.enqueueMetrics({ timeMs, metrics: { 'alarms.raised': minute } });
      const model = { name: 'pump-vibration', version: '4' };
      await sync.enqueueMetrics({
        timeMs,
        model,
        metrics: { 'drift.psi.rms': minute / 3, 'score.p95': 0.1 },
      });
    }
    await sync.start();
    await allSent();

    const runs = await runsOf(server, 'first');
    expect(runs.map((run) => run.info.run_name).sort()).toEqual([
      'gw-07 builtin 1',
      'gw-07 pump-vibration 4',
    ]);
    const modelRun = runs.find((run) => run.info.run_name === 'gw-07 pump-vibration 4')!;
    const history = await historyOf(server, modelRun.info.run_id, 'drift.psi.rms');
    expect(history.sort((a, b) => a.step - b.step)).toEqual(
      [0, 1, 2].map((minute) => ({
        timestamp: T0 + minute * 60_000,
        step: T0 / 1000 + minute * 60,
        value: minute / 3,
      })),
    );
    expect(pairValue(modelRun.data.params, 'machine.pump-1.speedRpm')).toBe('1780');
    expect(pairValue(modelRun.data.params, 'machine.pump-1.bearings')).toBe('{"bearing-de":"6205"}');
    expect(pairValue(modelRun.data.tags, 'sm_edge.config_hash')).toBe('c0ffee');
    expect(pairValue(modelRun.data.tags, 'sm_edge.gateway_id')).toBe('gw-07');
    // The last row is gone before the loop has looked again.
    const idle = { state: 'good', reason: '', pending: { live: 0, backlog: 0 } };
    await vi.waitFor(() => expect(sync.status).toMatchObject(idle), PATIENCE);
  });

  it('a restarted daemon finds its run again; a new configuration shows as a tag', async () => {
    const before = gateway.sync({ trackingUri: server.uri, experiment: 'restarted' });
    await before.enqueueMetrics({ timeMs: T0, metrics: { a: 1 } });
    await before.start();
    await allSent();
    await before.stop();

    gateway.identity = {
      ...gateway.identity,
      configHash: 'deadbeef',
      machines: [{ id: 'pump-1', class: 'pump', nameplate: { speedRpm: 2950 } }],
    };
    const after = gateway.sync({ trackingUri: server.uri, experiment: 'restarted' });
    await after.enqueueMetrics({ timeMs: T0 + 1000, metrics: { a: 2 } });
    await after.start();
    await allSent();

    const [run, ...others] = await runsOf(server, 'restarted');
    expect(others).toEqual([]);
    expect(await historyOf(server, run!.info.run_id, 'a')).toHaveLength(2);
    expect(pairValue(run!.data.tags, 'sm_edge.config_hash')).toBe('deadbeef');
    expect(pairValue(run!.data.params, 'config.hash')).toBe('c0ffee');
    expect(pairValue(run!.data.params, 'machine.pump-1.speedRpm')).toBe('1780');
  });

  it('events become artifacts, by day and id', async () => {
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'events' });
    const events = [gateway.event(T0, { point: 'pump-1.de.acceleration' }), gateway.event(T0 + 60_000)];
    for (const event of events) await sync.enqueueEvent(event);
    await sync.start();
    await allSent();

    const [run] = await runsOf(server, 'events');
    const files = await eventFilesOf(server, run!);
    expect([...files.keys()].sort()).toEqual([
      `events/2026-01-31/${events[0]!.id}.json`,
      `events/2026-02-01/${events[1]!.id}.json`,
    ]);
    expect(files.get(`events/2026-01-31/${events[0]!.id}.json`)).toEqual(events[0]);
  });

  it('answers lost on the way: every request done twice, everything there once', async () => {
    const lost = new Set<string>();
    proxy.fate = ({ method, url }) => {
      const request = `${method} ${url?.split('?')[0]}`;
      if (method === 'GET' || request.includes('search') || lost.has(request)) return 'pass';
      lost.add(request);
      return 'lose-answer';
    };
    const sync = gateway.sync({ trackingUri: proxy.uri, experiment: 'lost-answers' });
    const times = Array.from({ length: 20 }, (_, i) => T0 + i * 1000);
    const events = [gateway.event(T0), gateway.event(T0)];
    for (const event of events) await sync.enqueueEvent(event);
    for (const timeMs of times) await sync.enqueueMetrics({ timeMs, metrics: { a: 1 / 3, b: timeMs } });
    await sync.start();
    const flushing = setInterval(() => sync.flush(), 100);
    await allSent();
    clearInterval(flushing);

    expect(
      [...lost].filter((request) => /log-batch|runs\/create|experiments\/create/.test(request)),
    ).toHaveLength(3);
    expect([...lost].filter((request) => request.startsWith('PUT'))).toHaveLength(2);
    const runs = await runsOf(server, 'lost-answers');
    expect(runs).toHaveLength(1);
    for (const key of ['a', 'b']) {
      const history = await historyOf(server, runs[0]!.info.run_id, key);
      expect(history.map((point) => point.timestamp).sort()).toEqual(times);
    }
    expect((await eventFilesOf(server, runs[0]!)).size).toBe(2);
  });

  it('a run deleted by hand is replaced and nothing is lost with the next values', async () => {
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'deleted-run' });
    await sync.enqueueMetrics({ timeMs: T0, metrics: { a: 1 } });
    await sync.start();
    await allSent();
    const [gone] = await runsOf(server, 'deleted-run');
    await server.api('POST', 'mlflow/runs/delete', { run_id: gone!.info.run_id });

    await sync.enqueueMetrics({ timeMs: T0 + 1000, metrics: { a: 2 } });
    sync.flush();
    await allSent();
    const [fresh] = await runsOf(server, 'deleted-run');
    expect(fresh!.info.run_id).not.toBe(gone!.info.run_id);
    expect((await historyOf(server, fresh!.info.run_id, 'a')).map((point) => point.value)).toEqual([2]);
  });

  it('a row that the server refuses is put off, the others go through', async () => {
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'poison' });
    await sync.enqueueMetrics({ timeMs: T0, metrics: { a: 1 } });
    const model = { name: 'builtin', version: '1' };
    // What `enqueueMetrics` would have mended: MLflow takes no such name.
    const payload = { model, timeMs: T0, step: 1, metrics: { 'load %': 9 } };
    await gateway.outbox.append([
      { sink: 'mlflow', lane: 'live', kind: 'metrics', key: 'poison', payload, createdMs: T0 },
      { sink: 'mlflow', lane: 'live', kind: 'telegram', key: 'strange', payload: {}, createdMs: T0 },
    ]);
    await sync.enqueueMetrics({ timeMs: T0 + 1000, metrics: { a: 2 } });
    await sync.start();
    await vi.waitFor(async () => expect(await gateway.waiting()).toBe(2), PATIENCE);

    const [run] = await runsOf(server, 'poison');
    expect((await historyOf(server, run!.info.run_id, 'a')).map((point) => point.value).sort()).toEqual([
      1, 2,
    ]);
    // The others may be through before these are put off.
    await vi.waitFor(async () => {
      const kept = await gateway.outbox.take('mlflow', Number.MAX_SAFE_INTEGER, 10);
      expect(kept.map((row) => [row.key, row.attempts, row.lastError.split(':')[0]])).toEqual([
        ['poison', 1, 'MLFLOW_REFUSED'],
        ['strange', 1, 'MLFLOW_ROW_UNREADABLE'],
      ]);
    }, PATIENCE);
    await vi.waitFor(() => expect(sync.status.state).toBe('good'), PATIENCE);
  });

  it('the server killed in the middle and started again: everything there exactly once', async () => {
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'killed' });
    const model = (i: number) => ({ name: 'pump-vibration', version: String(i % 3) });
    const times = Array.from({ length: 600 }, (_, i) => T0 + i * 1000);
    const events = times.slice(0, 200).map((timeMs) => gateway.event(timeMs));
    await Promise.all([
      ...times.map((timeMs, i) =>
        sync.enqueueMetrics({ timeMs, model: model(i), metrics: { x: i, y: i / 7 } }),
      ),
      ...events.map((event) => sync.enqueueEvent(event)),
    ]);
    await sync.start();
    await vi.waitFor(async () => expect(await gateway.waiting()).toBeLessThan(700), PATIENCE);
    await server.kill();
    expect(await gateway.waiting()).toBeGreaterThan(0);

    await vi.waitFor(() => expect(sync.status.state).toBe('degraded'), PATIENCE);
    expect(sync.status.reason).toContain('check the network');
    const late = T0 + 700_000;
    await sync.enqueueMetrics({ timeMs: late, model: model(0), metrics: { x: -1, y: -1 } });
    await server.restart();
    sync.flush();
    await allSent();

    const runs = await runsOf(server, 'killed');
    const names = ['gw-07 builtin 1', ...[0, 1, 2].map((version) => `gw-07 pump-vibration ${version}`)];
    expect(runs.map((run) => run.info.run_name).sort()).toEqual(names);
    const stored: number[] = [];
    for (const run of runs.filter((entry) => entry.info.run_name !== 'gw-07 builtin 1')) {
      const history = await historyOf(server, run.info.run_id, 'x');
      expect(await historyOf(server, run.info.run_id, 'y')).toHaveLength(history.length);
      stored.push(...history.map((point) => point.timestamp));
    }
    expect(stored.sort()).toEqual([...times, late]);
    const files = await eventFilesOf(server, runs.find((run) => run.info.run_name === 'gw-07 builtin 1')!);
    const expected = events.map((event) => [`events/${event.time.slice(0, 10)}/${event.id}.json`, event]);
    expect(Object.fromEntries(files)).toEqual(Object.fromEntries(expected));
  });

  const versionsOf = async (name: string): Promise<Version[]> => {
    const answer = await server.api<{ model_versions?: Version[] }>('GET', 'mlflow/model-versions/search', {
      filter: `name = '${name}'`,
    });
    return answer.model_versions ?? [];
  };

  it('once, with its files and where it comes from, however often it is sent', async () => {
    for (const [file, body] of Object.entries(await modelFiles('learned-pump', '3', 1)))
      await writeFile(join(gateway.folder, file), body);
    const learned = {
      model: { name: 'learned-pump', version: '3' },
      folder: gateway.folder,
      description: 'learned from 24 h of pump-1',
      tags: { 'sm_edge.point': 'pump-1.bearing-de.acceleration', 'sm_edge.parent_version': '2' },
    };
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'learned' });
    await sync.enqueueModel(learned);
    await sync.start();
    const sent = () => vi.waitFor(async () => expect(await gateway.waiting()).toBe(0), PATIENCE);
    await sent();
    // As after an answer that was lost: the row comes again.
    await sync.enqueueModel(learned);
    sync.flush();
    await sent();

    const versions = await versionsOf('gw-07.learned-pump');
    expect(versions).toHaveLength(1);
    const { version, run_id: runId, source, tags = [] } = versions[0]!;
    expect({ version, source }).toEqual({
      version: '1',
      source: expect.stringMatching(/\/artifacts\/model$/),
    });
    expect(tags).toContainEqual({ key: 'sm_edge.parent_version', value: '2' });
    expect(tags).toContainEqual({ key: 'sm_edge.version', value: '3' });
    const { files } = await server.api<{ files: { path: string; file_size: number }[] }>(
      'GET',
      'mlflow/artifacts/list',
      { run_id: runId, path: 'model' },
    );
    expect(files.map(({ path }) => path).sort()).toEqual(['model/manifest.json', 'model/model.onnx']);
  });

  it('not where the config says so, and files that are gone hold up nothing else', async () => {
    const quiet = gateway.sync({ trackingUri: server.uri, experiment: 'quiet', pushModels: false });
    const gone = { model: { name: 'gone', version: '1' }, folder: join(gateway.folder, 'none') };
    await quiet.enqueueModel({ ...gone, description: 'none', tags: {} });
    expect(await gateway.waiting()).toBe(0);
    const sync = gateway.sync({ trackingUri: server.uri, experiment: 'quiet' });
    await sync.enqueueModel({ ...gone, description: 'none', tags: {} });
    await sync.enqueueMetrics({ timeMs: Date.now(), metrics: { 'alarms.raised': 1 } });
    await sync.start();
    await vi.waitFor(async () => expect(await gateway.waiting()).toBe(1), PATIENCE);
    expect(await versionsOf('gw-07.gone')).toEqual([]);
  });
});

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { MlflowServer, requireMlflow } from '../support/mlflow.js';
import { onPath, requirePeer } from '../support/require.js';
import { runPython } from '../support/venv.js';
import { mlflowConfig, TestGateway } from './support/gateway.js';
import { type Fate, TroubledProxy } from './support/proxy.js';
import { eventFilesOf, runsOf } from './support/upstream.js';

const PATIENCE = { timeout: 60_000, interval: 50 };
const T0 = Date.UTC(2026, 0, 31);
const REGISTER = fileURLToPath(new URL('support/register_model.py', import.meta.url));

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await TestGateway.create();
});
afterEach(() => gateway.remove());

/** Sends one value; resolves to the sync once it is through or has failed. */
async function attempt(config: Record<string, unknown>) {
  const sync = gateway.sync({ experiment: 'x', ...config });
  await sync.enqueueMetrics({ timeMs: T0, metrics: { a: 1 } });
  await sync.start();
  await vi.waitFor(() => expect(sync.status.state).not.toBe('starting'), PATIENCE);
  return sync;
}

describe.skipIf(!requireMlflow())('a real MLflow with basic authentication', () => {
  const admin = { username: 'admin', password: 'a long password of a test' };
  let server: MlflowServer;

  beforeAll(async () => {
    server = await MlflowServer.start({ admin });
  });
  afterAll(() => server?.remove());

  it('lets in who knows the password', async () => {
    const sync = await attempt({ trackingUri: server.uri, auth: admin });
    expect(sync.status.state).toBe('good');
    expect(await runsOf(server, 'x')).toHaveLength(1);
  });

  it('a user without rights on the registry still gets its model, and leaves no verdict', async () => {
    const user = { username: 'gw-07', password: 'another long password' };
    await server.api('POST', 'mlflow/users/create', user);
    const folder = path.join(gateway.folder, 'registered');
    await mkdir(folder);
    await writeFile(path.join(folder, 'model.onnx'), 'any');
    const env = {
      MLFLOW_TRACKING_USERNAME: admin.username,
      MLFLOW_TRACKING_PASSWORD: admin.password,
      MLFLOW_DISABLE_TELEMETRY: 'true',
    };
    await runPython([REGISTER, server.uri, 'shared', folder, 'champion'], { env });

    const sync = gateway.sync({
      trackingUri: server.uri,
      experiment: 'of the gateway',
      auth: user,
      models: [{ name: 'shared', for: { class: 'pump' } }],
    });
    await sync.enqueueMetrics({ timeMs: T0, metrics: { a: 1 } });
    await sync.enqueueEvent(gateway.event(T0));
    await sync.start();
    await vi.waitFor(async () => expect(await gateway.waiting()).toBe(0), PATIENCE);
    await vi.waitFor(() => expect(gateway.outcomes).toMatchObject([{ state: 'active' }]), PATIENCE);
    await vi.waitFor(() => expect(sync.status.state).toBe('good'), PATIENCE);
    const [run] = await runsOf(server, 'of the gateway');
    expect((await eventFilesOf(server, run!)).size).toBe(1);
    const { model_version } = await server.api<{ model_version: { tags?: unknown[] } }>(
      'GET',
      'mlflow/model-versions/get',
      { name: 'shared', version: '1' },
    );
    expect(model_version.tags ?? []).toEqual([]);
  });

  it.each([
    ['nobody', {}],
    ['a wrong password', { auth: { ...admin, password: 'wrong-secret' } }],
  ])('%s stays outside, the row stays here, the secret stays unsaid', async (_, access) => {
    const sync = await attempt({ trackingUri: server.uri, ...access });
    // The registry may refuse before the row has been tried.
    await vi.waitFor(
      () => expect(sync.status).toMatchObject({ state: 'degraded', pending: { backlog: 1 } }),
      PATIENCE,
    );
    expect(sync.status.reason).toContain('401');
    expect(sync.status.reason).toContain('sync.mlflow.auth');
    expect(JSON.stringify(sync.status)).not.toContain('wrong-secret');
  });
});

describe('what comes back from a network', () => {
  let proxy: TroubledProxy;

  beforeEach(async () => {
    proxy = await TroubledProxy.start(9);
  });
  afterEach(() => proxy.stop());

  const answers = (fate: Fate) => {
    proxy.fate = () => fate;
    return attempt({ trackingUri: proxy.uri, requestTimeout: fate === 'hang' ? '300ms' : '30s' });
  };

  it.each<[string, Fate]>([
    ['did not finish GET api/2.0/mlflow/experiments/get-by-name within 300 ms', 'hang'],
    ['500: boom', { status: 500, body: '{"error_code":"INTERNAL_ERROR","message":"boom"}' }],
    ['redirects to', { status: 302, headers: { location: 'https://login.example/' } }],
    ['is there an MLflow server', { status: 404, body: '<html>nothing here</html>' }],
    [
      '--allowed-hosts',
      { status: 403, body: 'Invalid Host header - possible DNS rebinding attack detected' },
    ],
    ['it is not JSON', { status: 200, body: '<html>please log in</html>' }],
    ['experiment.experiment_id', { status: 200, body: '{"experiment":{"experiment_id":7}}' }],
    ['is longer than', { status: 200, body: `"${'x'.repeat(5 * 2 ** 20)}"` }],
  ])('is told apart: %s', async (words, fate) => {
    const sync = await answers(fate);
    expect(sync.status.state).toBe('degraded');
    expect(sync.status.reason).toContain(words);
    expect(await gateway.waiting()).toBe(1);
  });

  it('nobody listens', async () => {
    const sync = await attempt({ trackingUri: `http://127.0.0.1:${await freePort()}` });
    expect(sync.status.reason).toContain('ECONNREFUSED');
  });

  it('a bearer token goes in the header', async () => {
    proxy.fate = () => ({ status: 500 });
    await attempt({ trackingUri: proxy.uri, auth: { token: 'tok-123' } });
    expect(proxy.seen[0]!.headers.authorization).toBe('Bearer tok-123');
  });

  it('stopping does not wait for an answer', async () => {
    const sync = gateway.sync({
      trackingUri: proxy.uri,
      experiment: 'x',
      models: [{ name: 'm', for: { class: 'pump' } }],
    });
    proxy.fate = () => 'hang';
    await sync.enqueueMetrics({ timeMs: T0, metrics: { a: 1 } });
    await sync.start();
    await vi.waitFor(() => expect(proxy.seen.length).toBe(2), PATIENCE);
    await sync.stop();
    expect(sync.status.state).toBe('stopped');
    expect(await gateway.waiting()).toBe(1);
  });

  it('an authority file that is not there ends the start with its name', async () => {
    const sync = gateway.sync({ trackingUri: 'https://127.0.0.1:1', tls: { ca: '/no/such.pem' } });
    await expect(sync.start()).rejects.toMatchObject({ code: 'MLFLOW_CA_UNREADABLE' });
  });
});

const hasOpenssl = requirePeer('openssl', onPath('openssl'), 'apt-get install openssl');

describe.skipIf(!hasOpenssl)('over https with an authority of the plant', () => {
  let server: HttpsServer;

  beforeEach(async () => {
    const options = [
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ];
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', 'server.key', '-out', 'server.pem'];
    await promisify(execFile)('openssl', ['req', ...options, ...names, ...files], { cwd: gateway.folder });
    const read = (name: string) => readFile(path.join(gateway.folder, name));
    server = createHttpsServer(
      { key: await read('server.key'), cert: await read('server.pem') },
      (_, answer) => {
        answer
          .writeHead(429, { 'retry-after': '7' })
          .end('{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"slow down"}');
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const trackingUri = () => `https://127.0.0.1:${(server.address() as { port: number }).port}`;

  it('talks to a server that it trusts', async () => {
    const sync = await attempt({
      trackingUri: trackingUri(),
      tls: { ca: path.join(gateway.folder, 'server.pem') },
    });
    expect(sync.status.reason).toContain('429: slow down');
  });

  it('refuses one that it does not, and says what to do', async () => {
    const sync = await attempt({ trackingUri: trackingUri(), auth: { token: 'tok-123' } });
    expect(sync.status.reason).toContain('no trusted connection');
    expect(sync.status.reason).toContain('sync.mlflow.tls.ca');
  });
});

describe('the configuration', () => {
  it('knows its defaults', () => {
    expect(
      mlflowConfig({ trackingUri: 'http://mlflow:5000', models: [{ name: 'a', for: { class: 'fan' } }] }),
    ).toMatchObject({
      stalledAfter: 3_600_000,
      requestTimeout: 30_000,
      models: [{ name: 'a', alias: 'champion' }],
    });
  });

  it.each([
    { trackingUri: 'mlflow:5000' },
    { trackingUri: 'http://user:secret@mlflow:5000' },
    { trackingUri: 'http://mlflow:5000', auth: { username: 'a' } },
    { trackingUri: 'http://mlflow:5000', modells: [] },
    { trackingUri: 'http://mlflow:5000', models: [{ name: 'a', for: {} }] },
    { trackingUri: 'http://mlflow:5000', models: [{ name: 'a/b', for: { class: 'fan' } }] },
  ])('refuses %j', (config) => {
    expect(() => mlflowConfig(config)).toThrow();
  });
});

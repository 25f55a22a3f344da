import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { linearModel, manifestOf, writeModel } from '../scoring/support.js';
import { MlflowServer, requireMlflow } from '../support/mlflow.js';
import { runPython } from '../support/venv.js';
import { TestGateway } from './support/gateway.js';
import { TroubledProxy } from './support/proxy.js';

const PATIENCE = { timeout: 60_000, interval: 50 };
const REGISTER = fileURLToPath(new URL('support/register_model.py', import.meta.url));
const FOR = { class: 'pump', quantity: 'acceleration' };

describe.skipIf(!requireMlflow())('models come down from a real MLflow', () => {
  let server: MlflowServer;
  let gateway: TestGateway;
  let proxy: TroubledProxy;
  let store: ModelStore;
  let folders = 0;

  beforeAll(async () => {
    server = await MlflowServer.start();
  });
  afterAll(() => server?.remove());
  beforeEach(async () => {
    gateway = await TestGateway.create();
    proxy = await TroubledProxy.start(server.port);
    store = new ModelStore({
      bundledDir: path.join(gateway.folder, 'bundled'),
      localDir: path.join(gateway.folder, 'models'),
      quarantine: quarantine(systemClock),
      metrics: gateway.metrics,
    });
    await store.open();
    gateway.admit = (folder) => store.admit(folder);
  });
  afterEach(async () => {
    await gateway.remove();
    await proxy.stop();
  });

  /** Registers files; resolves to the version that the alias champion now points to. */
  async function register(name: string, write: (folder: string) => Promise<unknown>, kind = 'runs') {
    const folder = path.join(gateway.folder, `registered-${folders++}`);
    await mkdir(folder, { recursive: true });
    await write(folder);
    const env = { MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };
    const printed = await runPython([REGISTER, server.uri, name, folder, 'champion', kind], { env });
    return printed.trim().split('\n').at(-1)!;
  }

  const sound = (version: string) => (folder: string) => {
    const model = linearModel();
    return writeModel(folder, model, manifestOf(model, { version }));
  };

  const settled = (count: number) => vi.waitFor(() => expect(gateway.outcomes).toHaveLength(count), PATIENCE);

  const follow = (name: string, uri = server.uri, more: Record<string, unknown> = {}) =>
    gateway.sync({ trackingUri: uri, experiment: 'x', models: [{ name, for: FOR }], ...more });

  const verdictOf = async (name: string, version: string) => {
    const answer = await server.api<{ model_version: { tags?: { key: string; value: string }[] } }>(
      'GET',
      'mlflow/model-versions/get',
      { name, version },
    );
    return answer.model_version.tags?.find((tag) => tag.key === 'sm_edge.gateway.gw-07')?.value;
  };

  it('the example of docs/models.md, from data to alias, runs as it stands and is taken', async () => {
    const page = await readFile(new URL('../../docs/models.md', import.meta.url), 'utf8');
    const blocks = [...page.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code);
    expect(blocks).toHaveLength(2);
    const env = { MLFLOW_TRACKING_URI: server.uri, MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };
    await runPython(['-c', blocks.join('\n')], { cwd: gateway.folder, env });
    await follow('pump-vibration').start();
    await settled(1);
    expect(gateway.outcomes[0]).toMatchObject({
      state: 'active',
      local: { name: 'pump-vibration', version: '1' },
    });
    await vi.waitFor(async () => expect(await verdictOf('pump-vibration', '1')).toBe('active'), PATIENCE);
  });

  it('alias, download, verification, use; then the alias moves to the next version', async () => {
    await register('pump vibration', sound('1'));
    const sync = follow('pump vibration');
    await sync.start();
    await settled(1);
    expect(gateway.outcomes[0]).toMatchObject({
      state: 'active',
      version: '1',
      local: { name: 'linear', version: '1' },
    });
    expect(gateway.activated[0]).toMatchObject({
      model: { name: 'linear', version: '1' },
      selector: FOR,
      origin: { registeredName: 'pump vibration', alias: 'champion', version: '1' },
    });
    const stored = await store.resolve('linear', '1');
    expect((await readFile(stored.path)).equals(linearModel())).toBe(true);

    await register('pump vibration', sound('2'), 'logged-model');
    await settled(2);
    expect(gateway.activated[1]).toMatchObject({
      model: { name: 'linear', version: '2' },
      origin: { version: '2' },
    });
    await vi.waitFor(async () => expect(await verdictOf('pump vibration', '2')).toBe('active'), PATIENCE);
    expect(await readdir(path.join(gateway.folder, 'mlflow', 'staging'))).toEqual([]);
    expect(sync.status.models).toMatchObject([{ state: 'active', version: '2' }]);

    const back = { name: 'pump vibration', alias: 'champion', version: '1' };
    await server.api('POST', 'mlflow/registered-models/alias', back);
    await settled(3);
    expect(gateway.activated[2]).toMatchObject({
      model: { name: 'linear', version: '1' },
      origin: { version: '1' },
    });
  });

  it('an alias that is bound twice comes down once and is put to both uses', async () => {
    await register('two classes', sound('1'));
    const selectors = [{ class: 'pump' }, { class: 'fan' }];
    const models = selectors.map((selector) => ({ name: 'two classes', for: selector }));
    await follow('two classes', server.uri, { models }).start();
    await settled(1);
    expect(gateway.activated.map(({ selector }) => selector)).toEqual(selectors);
  });

  it('a corrupt model is refused once and said so in MLflow; the one in use stays', async () => {
    await register('fan', sound('1'));
    const sync = follow('fan');
    await sync.start();
    await settled(1);
    await register('fan', async (folder) => {
      await sound('2')(folder);
      const model = linearModel();
      model[model.length >> 1]! ^= 0xff;
      await writeFile(path.join(folder, 'model.onnx'), model);
    });
    await settled(2);
    expect(gateway.outcomes[1]).toMatchObject({ state: 'refused', version: '2', local: { version: '1' } });
    expect(gateway.outcomes[1]!.reason).toContain('MODEL_CHECKSUM');
    await vi.waitFor(
      async () => expect(await verdictOf('fan', '2')).toMatch(/^refused: MODEL_CHECKSUM/),
      PATIENCE,
    );

    // Neither this daemon nor the next one fetches it again.
    await sync.stop();
    let downloads = 0;
    proxy.fate = ({ url }) => {
      if (url?.includes('mlflow-artifacts')) downloads++;
      return 'pass';
    };
    const next = follow('fan', proxy.uri);
    await next.start();
    await vi.waitFor(
      () => expect(next.status.models).toMatchObject([{ state: 'refused', version: '2' }]),
      PATIENCE,
    );
    expect(downloads).toBe(0);
    expect(gateway.outcomes).toHaveLength(2);
    expect(gateway.activated.map(({ model }) => model.version)).toEqual(['1', '1']);
  });

  it('without a network it starts with the model that came down before', async () => {
    await register('offline', sound('1'));
    const first = follow('offline');
    await first.start();
    await settled(1);
    await first.stop();

    proxy.fate = () => ({ status: 503 });
    const second = follow('offline', proxy.uri);
    await second.start();
    expect(gateway.activated).toHaveLength(2);
    expect(second.status.models).toMatchObject([
      { state: 'active', version: '1', local: { name: 'linear' } },
    ]);
    await vi.waitFor(() => expect(second.status).toMatchObject({ state: 'degraded' }), PATIENCE);
  });

  it('a download that is cut is continued where it stopped', async () => {
    const big = randomBytes(3_000_000);
    const digest = createHash('sha256').update(big).digest('hex');
    await register('big', async (folder) => {
      await sound('1')(folder);
      await writeFile(path.join(folder, 'weights.bin'), big);
    });
    let cuts = 0;
    proxy.fate = ({ url }) => (url?.includes('weights.bin') && cuts++ === 0 ? 'cut-answer' : 'pass');
    let seen = '';
    gateway.admit = async (folder) => {
      seen = createHash('sha256')
        .update(await readFile(path.join(folder, 'weights.bin')))
        .digest('hex');
      return store.admit(folder);
    };
    await follow('big', proxy.uri).start();
    await settled(1);
    expect(seen).toBe(digest);
    const requests = proxy.seen.filter(({ url }) => url?.includes('weights.bin'));
    expect(requests).toHaveLength(2);
    expect(requests[1]!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('more bytes than allowed are refused before they are fetched', async () => {
    await register('huge', async (folder) => {
      await sound('1')(folder);
      await writeFile(path.join(folder, 'weights.bin'), randomBytes(100_000));
    });
    await follow('huge', proxy.uri, { maxModelSize: '64KiB' }).start();
    await settled(1);
    expect(gateway.outcomes[0]!.reason).toContain('MLFLOW_MODEL_TOO_LARGE');
    expect(proxy.seen.filter(({ url }) => url?.includes('weights.bin'))).toEqual([]);
  });

  it('a store that cannot look now is asked again, without a verdict', async () => {
    await register('later', sound('1'));
    let asked = 0;
    gateway.admit = (folder) => {
      if (asked++ === 0) throw new SmEdgeError('STORAGE_FULL', 'no space', { retryable: true });
      return store.admit(folder);
    };
    await follow('later').start();
    await settled(1);
    expect(gateway.outcomes).toMatchObject([{ state: 'active' }]);
    expect(asked).toBe(2);
  });

  it('no such model, no such alias: said in the status, looked for again', async () => {
    const sync = follow('not yet');
    await sync.start();
    await vi.waitFor(() => expect(sync.status.models).toMatchObject([{ state: 'unavailable' }]), PATIENCE);
    expect(sync.status.models[0]!.reason).toContain('not yet');
    await vi.waitFor(() => expect(sync.status.state).toBe('good'), PATIENCE);
    await register('not yet', sound('1'));
    await settled(1);
    expect(sync.status.models).toMatchObject([{ state: 'active' }]);
  });
});

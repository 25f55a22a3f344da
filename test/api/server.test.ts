import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApi, listen } from '#sm/api/server.js';
import { SmEdgeError } from '#sm/base/errors.js';
import type { HealthReport } from '#sm/base/health.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';

const REPORT: HealthReport = {
  gatewayId: 'gw-1',
  site: 'here',
  version: '1.2.3',
  state: 'good',
  uptimeS: 5,
  parts: [{ part: 'storage', state: 'good', reason: '', sinceMs: 1 }],
};

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Samples of the text exposition format 0.0.4; throws at a line that is none of it, at a sample before its TYPE and
 * at one that is there twice (https://prometheus.io/docs/instrumenting/exposition_formats).
 */
function parseExposition(text: string): Sample[] {
  expect(text.endsWith('\n')).toBe(true);
  const types = new Set<string>();
  const series = new Set<string>();
  return text.split('\n').flatMap((line): Sample[] => {
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type !== null) types.add(type[1]!);
    if (type !== null || line === '' || /^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* ./.test(line)) return [];
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) throw new Error(`no line of the exposition format: ${line}`);
    const [, name, labelText = '', value] = sample;
    const family = name!.replace(/_(?:bucket|sum|count)$/, '');
    if (!types.has(name!) && !types.has(family)) throw new Error(`${name} comes before its TYPE`);
    if (series.has(`${name}{${labelText}}`)) throw new Error(`${name}{${labelText}} is there twice`);
    series.add(`${name}{${labelText}}`);
    const labels = [...labelText.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)];
    expect(labels.map(([whole]) => whole).join(',')).toBe(labelText);
    const special: Readonly<Record<string, number>> = {
      '+Inf': Infinity,
      '-Inf': -Infinity,
      Nan: Number.NaN,
    };
    const number = special[value!] ?? Number(value);
    if (Number.isNaN(number) && value !== 'Nan' && value !== 'NaN') throw new Error(`${value} is no value`);
    const plain = (escaped: string) => escaped.replace(/\\(.)/g, (_, sign) => (sign === 'n' ? '\n' : sign));
    return [
      {
        name: name!,
        labels: Object.fromEntries(labels.map(([, key, v]) => [key!, plain(v!)])),
        value: number,
      },
    ];
  });
}

describe('the HTTP server', () => {
  let ready = true;
  let state: HealthReport['state'] = 'good';
  const metrics = new Metrics();
  let api: ReturnType<typeof createApi>;

  beforeEach(() => {
    ready = true;
    state = 'good';
    api = createApi({
      logger: silentLogger,
      metrics,
      health: () => ({ ...REPORT, state }),
      ready: () => ready,
    });
  });
  afterEach(() => api.close());

  it('is live as soon as it answers', async () => {
    const answer = await api.inject('/health/live');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ status: 'live' });
  });

  it('is ready when the gateway is', async () => {
    expect((await api.inject('/health/ready')).statusCode).toBe(200);
    ready = false;
    expect((await api.inject('/health/ready')).statusCode).toBe(503);
  });

  it('tells the health of every part, and fails only when the gateway as a whole does', async () => {
    expect((await api.inject('/health')).json()).toEqual(REPORT);
    state = 'degraded';
    expect((await api.inject('/health')).statusCode).toBe(200);
    state = 'failed';
    expect((await api.inject('/health')).statusCode).toBe(503);
  });

  it('gives metrics as Prometheus reads them', async () => {
    metrics.counter('sm_edge_test_total', 'A test.', ['kind']).inc({ kind: 'a "quoted"\n\\ label' }, 3);
    const answer = await api.inject('/metrics');
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const samples = parseExposition(answer.body);
    expect(samples).toContainEqual({
      name: 'sm_edge_test_total',
      labels: { kind: 'a "quoted"\n\\ label' },
      value: 3,
    });
  });

  it('answers with problem details', async () => {
    const answer = await api.inject('/nothing?token=hunter2');
    expect(answer.statusCode).toBe(404);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({
      status: 404,
      code: 'NOT_FOUND',
      detail: expect.stringContaining('/nothing'),
    });
    expect(answer.body).not.toContain('hunter2');
  });

  it('refuses what it does not know, and a body that is too large', async () => {
    api.post('/echo', async (request) => request.body);
    expect((await api.inject({ method: 'DELETE', url: '/health' })).statusCode).toBe(404);
    const post = (bytes: number) =>
      api.inject({ method: 'POST', url: '/echo', payload: { text: 'x'.repeat(bytes) } });
    expect((await post(1_000)).statusCode).toBe(200);
    const answer = await post(65_536);
    expect(answer.statusCode).toBe(413);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ status: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE' });
  });

  it('answers a broken body with its reason, and a failure of its own without', async () => {
    api.post('/echo', async (request) => request.body);
    api.get('/fails', async () => {
      throw new SmEdgeError('STORE_READ', 'cannot read /secret/place');
    });
    const broken = await api.inject({
      method: 'POST',
      url: '/echo',
      headers: { 'content-type': 'application/json' },
      payload: '{',
    });
    expect(broken.statusCode).toBe(400);
    expect(broken.json()).toMatchObject({ title: 'Bad Request', detail: expect.any(String) });
    const failed = await api.inject('/fails');
    expect(failed.statusCode).toBe(500);
    expect(failed.json()).toMatchObject({ code: 'STORE_READ', detail: expect.stringContaining('log') });
    expect(failed.body).not.toContain('/secret/place');
  });

  it('names the port that it cannot have', async () => {
    const port = await listen(api, { host: '127.0.0.1', port: 0 });
    expect(port).toBeGreaterThan(0);
    expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200);
    const second = createApi({ logger: silentLogger, metrics, health: () => REPORT, ready: () => true });
    await expect(listen(second, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'HTTP_LISTEN',
      message: `cannot listen on 127.0.0.1:${port}`,
      hint: expect.stringContaining('http.listen'),
    });
    await second.close();
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '#sm/api/server.js';
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
    metrics.counter('sm_edge_test_total', 'A test.', ['kind']).inc({ kind: 'a' }, 3);
    const answer = await api.inject('/metrics');
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.body).toContain('sm_edge_test_total{kind="a"} 3');
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
});

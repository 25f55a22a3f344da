import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createGatewayApi } from '#sm/api/gateway-api.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import type { Gateway } from '#sm/gateway.js';

const DOCS = new URL('../../docs/api.md', import.meta.url);

it('docs/api.md names each route, and no other', async () => {
  // Routes ask the gateway only when they are called.
  const gateway = { metrics: new Metrics() } as Gateway;
  const api = createGatewayApi(gateway, { logger: silentLogger, keys: [] });
  try {
    await api.ready();
    const documented = [...readFileSync(DOCS, 'utf8').matchAll(/^\| `(GET|POST|DELETE) ([^`]+)`/gm)].map(
      ([, method, path]) => ({ method: method as 'GET' | 'POST' | 'DELETE', url: path! }),
    );
    const routed = documented.filter(({ method, url }) =>
      api.hasRoute({ method, url: url.replaceAll(/\{(\w+)\}/g, ':$1') }),
    );
    expect(documented).toEqual(routed);
    expect(documented).toHaveLength(leaves(api.printRoutes({ commonPrefix: false, includeHooks: false })));
  } finally {
    await api.close();
  }
});

/** Routes in fastify's tree: `/path (GET, HEAD)` is one, `(POST)` another; HEAD comes with GET. */
const leaves = (tree: string): number =>
  [...tree.matchAll(/\(([A-Z, ]+)\)/g)]
    .flatMap(([, methods]) => methods!.split(', '))
    .filter((method) => method !== 'HEAD').length;

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { createGatewayApi } from '#sm/api/gateway-api.js';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { seededRandom } from '#sm/base/random.js';
import { parseConfig } from '#sm/config/load.js';
import { Gateway } from '#sm/gateway.js';
import { Store } from '#sm/storage/store.js';

/** A whole gateway in this process, with its HTTP interface and its own data folder. */
export async function startGateway(config: Record<string, unknown> = {}, dataDir?: string) {
  const folder = dataDir ?? mkdtempSync(path.join(tmpdir(), 'sm-edge-gateway-'));
  const text = stringify({ gateway: { id: 'gw-1' }, storage: { path: folder }, ...config });
  const parsed = parseConfig('gateway.yaml', text, {});
  const gateway = new Gateway({
    config: parsed.config,
    configHash: parsed.hash,
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  const api = createGatewayApi(gateway, { logger: silentLogger, keys: parsed.config.http.keys });
  await gateway.start();
  return {
    gateway,
    api,
    folder,
    /** Stops the gateway and looks into its store. */
    async stopAndRead<T>(look: (store: Store) => Promise<T>): Promise<T> {
      await this.stop(false);
      const store = await Store.open({ folder, clock: systemClock, metrics: gateway.metrics });
      try {
        return await look(store);
      } finally {
        await store.close();
      }
    },
    async stop(remove = true): Promise<void> {
      await api.close();
      await gateway.stop();
      if (remove) rmSync(folder, { recursive: true, force: true });
    },
  };
}

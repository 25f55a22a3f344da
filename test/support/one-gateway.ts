import { rmSync } from 'node:fs';
import { afterEach } from 'vitest';
import { startGateway } from './gateway.js';

export type Started = Awaited<ReturnType<typeof startGateway>>;

let running: Started | undefined;
let folder: string | undefined;

afterEach(async () => {
  await stopGateway();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
});

/** The one gateway of a test. Started again it has the same folder, which goes with the test. */
export async function oneGateway(
  config: Record<string, unknown> = {},
  dataDir: string | undefined = folder,
): Promise<Started> {
  folder = dataDir;
  running = await startGateway(config, dataDir);
  folder = running.folder;
  return running;
}

export async function stopGateway(): Promise<void> {
  await running?.stop(false);
  running = undefined;
}

/** For who stops it himself. */
export function gatewayStopped(): void {
  running = undefined;
}

/** What the HTTP interface answers. */
export const get = async (one: Started, path: string) =>
  (await one.api.inject({ method: 'GET', url: `/api/v1/${path}` })).json();

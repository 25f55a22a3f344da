import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { DATABASE_FILE, Store } from '#sm/storage/store.js';

/** A real store in a folder of its own; it survives `reopen`, and goes with the test. */
export class StoreFolder {
  readonly folder: string;
  readonly metrics = new Metrics();
  #store: Store | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<StoreFolder> {
    const made = new StoreFolder(await mkdtemp(join(tmpdir(), 'sm-edge-store-')));
    folders.push(made);
    return made;
  }

  get file(): string {
    return join(this.folder, DATABASE_FILE);
  }

  async open(): Promise<Store> {
    this.#store = await Store.open({ folder: this.folder, clock: systemClock, metrics: this.metrics });
    return this.#store;
  }

  async reopen(): Promise<Store> {
    await this.close();
    return this.open();
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  async remove(): Promise<void> {
    await this.close().catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true });
  }
}

const folders: StoreFolder[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
});

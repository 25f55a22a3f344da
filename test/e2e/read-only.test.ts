import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { createBackup } from '#sm/storage/backup/backup.js';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { canMount, SmallDisk } from '../support/disks.js';
import { startGateway } from '../support/gateway.js';

type Started = Awaited<ReturnType<typeof startGateway>>;

describe.skipIf(!canMount())('a gateway whose disk is read-only', () => {
  let disk: SmallDisk | undefined;
  let one: Started | undefined;

  afterEach(async () => {
    await one?.stop(false);
    disk?.remove();
    one = undefined;
    disk = undefined;
  });

  it('starts, says so, can be backed up, and stores again once it is writable', async () => {
    disk = new SmallDisk('ext4', 64);
    const post = (value: number) =>
      one!.api.inject({
        method: 'POST',
        url: '/api/v1/data/ingest',
        payload: { point: 'm1.t', value, unit: 'degC' },
      });
    one = await startGateway({}, disk.folder);
    expect((await post(1)).statusCode).toBe(201);
    await one.stop(false);
    one = undefined;
    expect(disk.remount('ro')).toBe(true);
    // Several times: what fails to be written at a start has the file opened again at any moment of it.
    for (let round = 0; round < 3; round++) {
      one = await startGateway({}, disk.folder);
      expect((await post(2)).json()).toMatchObject({ code: 'STORE_READONLY' });
      if (round < 2) await one.stop(false);
    }
    const to = mkdtempSync(join(tmpdir(), 'sm-edge-saved-'));
    const made = await createBackup({
      ...{ database: join(disk.folder, DATABASE_FILE), gatewayId: 'gw-1', to, encrypt: { recipients: [] } },
      clock: systemClock,
      onProgress: () => undefined,
    });
    expect(made.database.rows.points).toBe(1);
    rmSync(to, { recursive: true });
    expect(disk.remount('rw')).toBe(true);
    await vi.waitFor(async () => expect((await post(3)).statusCode).toBe(201), {
      timeout: 60_000,
      interval: 200,
    });
  });
});

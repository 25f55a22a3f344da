import { existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import { makeFolder } from '../../base/folders.js';
import { newPath } from '../damage.js';
import { lockFolder } from '../folder-lock.js';
import { MIGRATIONS } from '../migrations/index.js';
import { flush } from './backup.js';
import { copyFacts } from './copy.js';
import { manifestOf } from './manifest.js';
import type { DecryptWith } from './secrets.js';
import { extractBackup } from './verify.js';

export interface RestoreOptions {
  readonly backup: string;
  /** Where the database is to be. */
  readonly database: string;
  readonly secrets: DecryptWith;
  readonly clock: Clock;
  readonly onProgress: (share: number, what: string) => void;
}

export interface RestoreResult {
  readonly database: string;
  /** Where the database that was there is now; null where there was none. */
  readonly setAside: string | null;
  readonly rows: Readonly<Record<string, number>>;
}

/**
 * Puts the database of a backup in its place, once it is proved whole. What was there is set aside, never deleted. The
 * daemon must not run.
 * @throws SmEdgeError `STORE_IN_USE`, `STORE_NEWER`, `BACKUP_DAMAGED`, `BACKUP_LOCKED`
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const { backup, database, secrets, clock, onProgress } = options;
  makeFolder(dirname(database), 0o750);
  const lock = lockFolder(dirname(database));
  const fresh = `${database}.restoring`;
  try {
    await rm(fresh, { force: true });
    const manifest = await manifestOf(backup);
    const { size } = await stat(backup);
    const sha256 = await extractBackup(backup, secrets, fresh, (bytes) =>
      onProgress((0.8 * bytes) / Math.max(1, size), 'reading the backup'),
    );
    if (manifest !== undefined && manifest.database.sha256 !== sha256)
      throw new SmEdgeError('BACKUP_DAMAGED', `${backup} is damaged: its content has changed`);
    onProgress(0.8, 'checking it');
    const facts = factsOf(backup, fresh);
    if (facts.version > MIGRATIONS.length)
      throw new SmEdgeError('STORE_NEWER', `${backup} is of a newer program (form ${facts.version})`, {
        hint: 'install that version of sm-edge, or a newer one, first',
      });
    await flush(fresh);
    const stamp = new Date(clock.nowMs()).toISOString().replace(/[:.]/g, '-');
    // A restart that comes in between finds the new file and finishes (finishReplacing).
    await rename(fresh, newPath(database));
    const setAside = existsSync(database) ? `${database}.before-restore-${stamp}` : null;
    for (const part of ['', '-wal', '-shm'])
      if (setAside !== null && existsSync(database + part)) await rename(database + part, setAside + part);
    await rename(newPath(database), database);
    await flush(dirname(database));
    onProgress(1, 'done');
    return { database, setAside, rows: facts.rows };
  } finally {
    await rm(fresh, { force: true });
    lock.release();
  }
}

function factsOf(backup: string, fresh: string) {
  try {
    return copyFacts(fresh);
  } catch (cause) {
    throw new SmEdgeError('BACKUP_DAMAGED', `${backup} is damaged: ${(cause as Error).message}`, {
      cause,
      hint: 'what is there was left as it is; take another backup ("sm-edge verify FILE" tells which are whole)',
    });
  }
}

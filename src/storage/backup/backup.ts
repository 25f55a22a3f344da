import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Clock, sleep } from '../../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { WorkerClient } from '../../base/worker-call.js';
import { type FolderLock, lockFolder } from '../folder-lock.js';
import { makeTargetFolder } from '../target-folder.js';
import type { CopyFacts } from './copy.js';
import type { BackupManifest } from './manifest.js';
import { digestsOf, type PageCopyRequest, type PageCopyResult } from './page-copy.js';
import { type EncryptFor, encrypted, isEncrypted, sha256OfFile, Tap } from './secrets.js';
import { verifyBackup } from './verify.js';

export interface BackupOptions {
  /** The database; others may write to it. */
  readonly database: string;
  readonly gatewayId: string;
  /** Folder for the backup. */
  readonly to: string;
  readonly encrypt: EncryptFor;
  /** After success, older backups of this gateway beyond this number are deleted. */
  readonly keep?: number;
  readonly clock: Clock;
  readonly onProgress: (share: number, what: string) => void;
}

export const PLAIN_ENDING = '.db';
export const ENCRYPTED_ENDING = '.db.gz.age';
const PARTIAL = '.partial';
const LOCK_FILE = 'sm-edge-backup.lock';
/** What an interrupted backup left is gone on with by the next one to the same folder; after this it is deleted. */
const PARTIAL_AGE_MS = 14 * 86_400_000;
const TIMEOUT_MS = 24 * 3_600_000;
const POLL_MS = 200;

export interface BackupResult extends BackupManifest {
  readonly path: string;
  /** Of the plain copy, so many bytes were there from a run that was cut off. */
  readonly keptBytes: number;
}

/**
 * Copies, checks, and only then names the backup: what bears a backup's name is whole. One that was cut off is gone on
 * with by the next run to the same folder (page-copy.ts). Of an encrypted one the plain copy is gone on with, in the
 * data folder, where the same data lie open; the encrypted file is made anew of it.
 * @throws SmEdgeError `BACKUP_NO_SPACE`, `BACKUP_UNDER_WAY`, `BACKUP_FAILED`
 */
export async function createBackup(options: BackupOptions): Promise<BackupResult> {
  const { database, gatewayId, to, encrypt, clock, onProgress } = options;
  makeTargetFolder(to, 'BACKUP_FAILED');
  const isSecret = isEncrypted(encrypt);
  const folder = isSecret ? dirname(database) : to;
  const copy = join(folder, `sm-edge-${gatewayId}.db${PARTIAL}`);
  const lock = lockBackup(dirname(database), to);
  const worker = new WorkerClient({
    name: 'backup',
    url: new URL('./copy-worker.js', import.meta.url),
    clock,
    maxPending: 2,
    timeoutMs: TIMEOUT_MS,
  });
  let encryptedPartial: string | undefined;
  try {
    await removeLeftovers([to, dirname(database)], gatewayId, clock);
    const time = new Date(clock.nowMs()).toISOString();
    const stamp = time.replace(/[:.]/g, '-');
    const path = join(to, `sm-edge-${gatewayId}-${stamp}${isSecret ? ENCRYPTED_ENDING : PLAIN_ENDING}`);
    const expected = await worker.call<number>('expectedBytes', database);
    const there = (await stat(copy).catch(() => undefined))?.size ?? 0;
    await requireSpace(folder, expected - there);
    const progress = new Float64Array(new SharedArrayBuffer(16));
    const copied = await watched(
      worker.call<PageCopyResult>('copy', { from: database, to: copy, progress } satisfies PageCopyRequest),
      clock,
      () => onProgress((0.6 * progress[0]!) / Math.max(1, progress[1]!), 'copying'),
    );
    onProgress(0.6, 'checking the copy');
    const facts = await factsOf(worker, copy);
    let ready = copy;
    if (isSecret) {
      await requireSpace(to, expected / 2);
      encryptedPartial = path + PARTIAL;
      ready = encryptedPartial;
      await encryptFile(copy, ready, encrypt, (bytes) =>
        onProgress(0.7 + (0.2 * bytes) / Math.max(1, facts.bytes), 'encrypting'),
      );
      await flush(ready);
      // What is read back is to come from the medium.
      await worker.call('forget', ready);
    }
    onProgress(0.9, 'reading it back');
    const { passphrase } = encrypt;
    const manifest: BackupManifest = {
      format: 'sm-edge-backup/1',
      file: basename(path),
      gatewayId,
      time,
      encrypted: isSecret,
      bytes: (await stat(ready)).size,
      sha256: isSecret ? await sha256OfFile(ready) : copied.sha256,
      database: { ...facts, sha256: copied.sha256 },
    };
    // With recipients alone nobody here can open it: its bytes were read back above.
    if (isSecret && passphrase !== undefined) await verifyBackup(ready, { passphrase }, manifest);
    await writeFile(`${path}.json`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
    await rename(ready, path);
    await flush(to);
    for (const file of [copy, digestsOf(copy)]) await rm(file, { force: true });
    onProgress(1, 'done');
    if (options.keep !== undefined) await removeOlder(to, gatewayId, options.keep);
    return { ...manifest, path, keptBytes: copied.keptBytes };
  } catch (thrown) {
    if (encryptedPartial !== undefined) await rm(encryptedPartial, { force: true }).catch(() => undefined);
    const error = toSmEdgeError(thrown, 'BACKUP_FAILED');
    // From the worker there is only the text.
    throw /ENOSPC|EDQUOT|SQLITE_FULL|disk is full/.test(error.message) ? noSpace(to, error.message) : error;
  } finally {
    await worker.close();
    lock.release();
  }
}

/** A copy that SQLite finds faults in is no beginning for the next run either. */
async function factsOf(worker: WorkerClient, copy: string): Promise<CopyFacts> {
  try {
    return await worker.call<CopyFacts>('facts', copy);
  } catch (thrown) {
    for (const file of [copy, digestsOf(copy)]) await rm(file, { force: true });
    throw new SmEdgeError('BACKUP_FAILED', `the copy is not sound: ${(thrown as Error).message}`, {
      cause: thrown,
      hint: '"sm-edge verify" tells whether the store is; if so, look at the disk of the backup',
    });
  }
}

/** In the data folder; in the target where that is on a disk that has become read-only, which is to be saved. */
function lockBackup(folder: string, to: string): FolderLock {
  try {
    return lockFolder(folder, LOCK_FILE);
  } catch (thrown) {
    if (thrown instanceof SmEdgeError && thrown.code === 'STORE_OPEN' && folder !== to)
      return lockBackup(to, to);
    if (!(thrown instanceof SmEdgeError) || thrown.code !== 'STORE_IN_USE') throw thrown;
    throw new SmEdgeError('BACKUP_UNDER_WAY', `another backup of ${folder} is under way`, {
      retryable: true,
    });
  }
}

async function encryptFile(
  from: string,
  to: string,
  encrypt: EncryptFor,
  onBytes: (bytes: number) => void,
): Promise<void> {
  // Databases shrink to a third, and encryption is the slower part.
  const packed = createReadStream(from, { highWaterMark: 2 ** 20 })
    .pipe(new Tap(onBytes))
    .pipe(createGzip({ level: 1 }));
  await pipeline(await encrypted(packed, encrypt), createWriteStream(to, { flags: 'wx', mode: 0o640 }));
}

/** Reports while work is under way. */
async function watched<T>(work: Promise<T>, clock: Clock, report: () => void): Promise<T> {
  const ended = new AbortController();
  const done = work.finally(() => ended.abort());
  done.catch(() => undefined);
  while (!ended.signal.aborted) {
    report();
    await sleep(clock, 'backup progress', POLL_MS, ended.signal);
  }
  return done;
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes * 1.02)
    throw noSpace(
      folder,
      `${Math.ceil(bytes / 2 ** 20)} MiB are needed, ${Math.floor((bavail * bsize) / 2 ** 20)} are free`,
    );
}

const noSpace = (folder: string, why: string) =>
  new SmEdgeError('BACKUP_NO_SPACE', `no room for the backup in ${folder}: ${why}`, {
    hint: 'delete old backups and run it again: it goes on where it stopped; or choose another folder with --to',
  });

/** Waits until a file or folder is on the disk. */
export async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what runs that were cut off have left, but for what the next one goes on with. */
async function removeLeftovers(folders: readonly string[], gatewayId: string, clock: Clock): Promise<void> {
  for (const folder of new Set(folders)) {
    const names = new Set(await readdir(folder).catch(() => []));
    for (const name of names) {
      const file = join(folder, name);
      const isOld = async () => clock.nowMs() - (await stat(file)).mtimeMs > PARTIAL_AGE_MS;
      const isPart = /^sm-edge-.*\.partial(\.digests|-journal|-wal|-shm)?$/.test(name);
      if (isUseless(name, names, gatewayId) || (isPart && (await isOld()))) await rm(file, { force: true });
    }
  }
}

/** Of this gateway: an encrypted file that is not whole, or a manifest whose backup was never named. */
function isUseless(name: string, names: ReadonlySet<string>, gatewayId: string): boolean {
  const prefix = `sm-edge-${gatewayId}-`;
  if (!name.startsWith(prefix)) return false;
  const [, ending] =
    /^\d{4}-\d\d-\d\dT[\d-]+Z\.db(?:\.gz\.age)?(\.json|\.partial)$/.exec(name.slice(prefix.length)) ?? [];
  return ending === PARTIAL || (ending === '.json' && !names.has(name.slice(0, -ending.length)));
}

async function removeOlder(folder: string, gatewayId: string, keep: number): Promise<void> {
  const names = (await readdir(folder))
    .filter((name) => name.startsWith(`sm-edge-${gatewayId}-2`))
    .filter((name) => name.endsWith(PLAIN_ENDING) || name.endsWith(ENCRYPTED_ENDING))
    .sort();
  for (const name of names.slice(0, -Math.max(1, keep))) {
    await rm(join(folder, name), { force: true });
    await rm(join(folder, `${name}.json`), { force: true });
  }
}

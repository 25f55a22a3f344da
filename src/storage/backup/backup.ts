import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Clock, sleep } from '../../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { WorkerClient } from '../../base/worker-call.js';
import type { CopyFacts } from './copy.js';
import type { BackupManifest } from './manifest.js';
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
/** A file of a backup that was cut off is left alone this long: it may be under way. */
const PARTIAL_AGE_MS = 600_000;
const TIMEOUT_MS = 24 * 3_600_000;
const POLL_MS = 200;

/**
 * Copies, checks, and only then names the backup: what bears a backup's name is whole. One that was cut off is begun
 * anew by the next run, which also removes what it left.
 * @throws SmEdgeError `BACKUP_NO_SPACE`, `BACKUP_FAILED`
 */
export async function createBackup(options: BackupOptions): Promise<BackupManifest & { path: string }> {
  const { database, gatewayId, to, encrypt, clock, onProgress } = options;
  await mkdir(to, { recursive: true, mode: 0o750 });
  const isSecret = isEncrypted(encrypt);
  const time = new Date(clock.nowMs()).toISOString();
  const stamp = time.replace(/[:.]/g, '-');
  const path = join(to, `sm-edge-${gatewayId}-${stamp}${isSecret ? ENCRYPTED_ENDING : PLAIN_ENDING}`);
  const partial = path + PARTIAL;
  // A copy that is still to be encrypted stays where the data lie open anyway.
  const copy = isSecret ? join(dirname(database), `sm-edge-backup-${stamp}${PARTIAL}`) : partial;
  await removeLeftovers([to, dirname(database)], clock);
  const worker = new WorkerClient({
    name: 'backup',
    url: new URL('./copy-worker.js', import.meta.url),
    clock,
    maxPending: 2,
    timeoutMs: TIMEOUT_MS,
  });
  try {
    const expected = await worker.call<number>('expectedBytes', database);
    await requireSpace(dirname(copy), expected);
    await watched(worker.call('copy', { from: database, to: copy }), copy, expected, clock, (share) =>
      onProgress(share * 0.6, 'copying'),
    );
    await flush(copy);
    onProgress(0.6, 'checking the copy');
    const facts = await worker.call<CopyFacts>('facts', copy);
    const plainSha256 = await sha256OfFile(copy);
    if (isSecret) {
      await requireSpace(to, expected);
      await encryptFile(copy, partial, encrypt, (bytes) =>
        onProgress(0.7 + (0.2 * bytes) / Math.max(1, facts.bytes), 'encrypting'),
      );
      await flush(partial);
    }
    onProgress(0.9, 'reading it back');
    const { passphrase } = encrypt;
    const manifest: BackupManifest = {
      format: 'sm-edge-backup/1',
      file: basename(path),
      gatewayId,
      time,
      encrypted: isSecret,
      bytes: (await stat(partial)).size,
      sha256: isSecret ? await sha256OfFile(partial) : plainSha256,
      database: { ...facts, sha256: plainSha256 },
    };
    // With recipients alone nobody here can open it: its bytes were read back above.
    if (passphrase !== undefined) await verifyBackup(partial, { passphrase }, manifest);
    await writeFile(`${path}.json`, `${JSON.stringify(manifest, null, 2)}\n`);
    await rename(partial, path);
    await flush(to);
    onProgress(1, 'done');
    if (options.keep !== undefined) await removeOlder(to, gatewayId, options.keep);
    return { ...manifest, path };
  } catch (thrown) {
    await rm(partial, { force: true });
    const error = toSmEdgeError(thrown, 'BACKUP_FAILED');
    throw (thrown as NodeJS.ErrnoException).code === 'SQLITE_FULL' ? noSpace(to, error.message) : error;
  } finally {
    if (copy !== partial) await rm(copy, { force: true });
    await worker.close();
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

/** Reports how a file grows while work on it is under way. */
async function watched(
  work: Promise<unknown>,
  path: string,
  expected: number,
  clock: Clock,
  onShare: (share: number) => void,
): Promise<void> {
  const ended = new AbortController();
  const done = work.finally(() => ended.abort());
  done.catch(() => undefined);
  while (!ended.signal.aborted) {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    onShare(Math.min(1, size / Math.max(1, expected)));
    await sleep(clock, 'backup progress', POLL_MS, ended.signal);
  }
  await done;
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes * 1.02)
    throw noSpace(
      folder,
      `${Math.round(bytes / 2 ** 20)} MiB are needed, ${Math.round((bavail * bsize) / 2 ** 20)} are free`,
    );
}

const noSpace = (folder: string, why: string) =>
  new SmEdgeError('BACKUP_NO_SPACE', `no room for the backup in ${folder}: ${why}`, {
    hint: 'choose another folder with --to, or delete old backups',
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

async function removeLeftovers(folders: readonly string[], clock: Clock): Promise<void> {
  for (const folder of new Set(folders)) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!/^sm-edge-.*\.partial(-journal)?$/.test(name)) continue;
      const file = join(folder, name);
      if (clock.nowMs() - (await stat(file)).mtimeMs > PARTIAL_AGE_MS) await rm(file, { force: true });
    }
  }
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

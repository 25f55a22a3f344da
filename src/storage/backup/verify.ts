import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { copyFacts } from './copy.js';
import type { BackupManifest } from './manifest.js';
import { type DecryptWith, decrypted, sha256OfFile, Tap } from './secrets.js';

/**
 * Proves a backup: its bytes by the manifest where there is one; an encrypted one by the authentication of each of its
 * frames; a plain one by SQLite's full check.
 * @throws SmEdgeError `BACKUP_DAMAGED`, `BACKUP_LOCKED`
 */
export async function verifyBackup(
  path: string,
  secrets: DecryptWith,
  manifest: BackupManifest | undefined,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<{ sha256: string; rows?: Readonly<Record<string, number>> }> {
  if (!(await isSecret(path))) {
    const sha256 = await sha256OfFile(path, onBytes);
    if (manifest !== undefined && manifest.sha256 !== sha256) throw damaged(path, 'its bytes have changed');
    try {
      return { sha256, rows: copyFacts(path).rows };
    } catch (thrown) {
      throw damaged(path, (thrown as Error).message, thrown);
    }
  }
  const tap = new Tap();
  await unpack(path, secrets, tap, onBytes, async (plain) => {
    for await (const _ of plain);
  });
  const sha256 = tap.sha256();
  if (manifest !== undefined && manifest.database.sha256 !== sha256)
    throw damaged(path, 'its content has changed');
  return { sha256, ...(manifest === undefined ? {} : { rows: manifest.database.rows }) };
}

/** Writes the database that is in a backup to a new file. Gives its SHA-256. */
export async function extractBackup(
  path: string,
  secrets: DecryptWith,
  to: string,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const tap = new Tap();
  await unpack(path, secrets, tap, onBytes, (plain) =>
    pipeline(plain, createWriteStream(to, { flags: 'wx', mode: 0o640 })),
  );
  return tap.sha256();
}

/** @param onBytes how far the file has been read */
async function unpack(
  path: string,
  secrets: DecryptWith,
  tap: Tap,
  onBytes: (bytes: number) => void,
  take: (plain: Readable) => Promise<void>,
): Promise<void> {
  const counted = createReadStream(path, { highWaterMark: 2 ** 20 }).pipe(new Tap(onBytes));
  try {
    if (!(await isSecret(path))) {
      counted.pipe(tap);
      return await take(tap);
    }
    const opened = await decrypted(counted, secrets);
    const unpacking = pipeline(opened, createGunzip(), tap);
    await Promise.all([unpacking, take(tap)]);
  } catch (thrown) {
    const error = toSmEdgeError(thrown);
    if (error.code === 'BACKUP_LOCKED' || /^E[A-Z]+$/.test(error.code)) throw error;
    if ((thrown as NodeJS.ErrnoException).code === 'ENOSPC') throw thrown;
    throw damaged(path, error.message, thrown);
  }
}

async function isSecret(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(21), 0, 21, 0);
    return buffer.toString('latin1') === 'age-encryption.org/v1';
  } finally {
    await handle.close();
  }
}

const damaged = (path: string, why: string, cause?: unknown) =>
  new SmEdgeError('BACKUP_DAMAGED', `${path} is damaged: ${why}`, {
    cause,
    hint: 'use another backup; "sm-edge verify FILE" tells which are whole',
  });

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';

/** What lies beside a backup as `NAME.json`. */
export const backupManifestSchema = z.strictObject({
  format: z.literal('sm-edge-backup/1'),
  file: z.string(),
  gatewayId: z.string(),
  time: z.string(),
  encrypted: z.boolean(),
  /** Of the file as it lies there. */
  bytes: z.number(),
  sha256: z.string(),
  database: z.strictObject({
    version: z.number(),
    bytes: z.number(),
    sha256: z.string(),
    rows: z.record(z.string(), z.number()),
  }),
});

export type BackupManifest = z.infer<typeof backupManifestSchema>;

/** The manifest beside a backup, or undefined. */
export async function manifestOf(path: string): Promise<BackupManifest | undefined> {
  const text = await readFile(`${path}.json`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return backupManifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SmEdgeError('BACKUP_DAMAGED', `${path}.json is no manifest of a backup`, { cause });
  }
}

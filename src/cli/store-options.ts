import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { SmEdgeError } from '../base/errors.js';
import { loadConfig } from '../config/load.js';
import { DATABASE_FILE } from '../storage/store.js';
import type { CliContext } from './output.js';

/** Options that `backup`, `restore`, `verify` and `export` share. */
export interface StoreOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

export interface SecretOptions {
  readonly passphraseFile?: string;
  readonly identity?: string;
}

/** Name of the environment variable with the passphrase of backups. */
const PASSPHRASE = 'SM_EDGE_BACKUP_PASSPHRASE';
const MAX_SECRET_BYTES = 4096;

export const withStoreOptions = (command: Command): Command =>
  command
    .option('--config <file>', 'the config, which names the data folder')
    .option('--data <folder>', 'the data folder, in place of --config')
    .option('--json', 'one JSON document on stdout');

export const withPassphrase = (command: Command): Command =>
  command.option('--passphrase-file <file>', `file with the passphrase (or set ${PASSPHRASE})`);

/** The store that is meant. @throws SmEdgeError `USAGE` */
export function storeOf({ config, data }: StoreOptions, context: CliContext) {
  if (data !== undefined)
    return { database: join(data, DATABASE_FILE), folder: data, gatewayId: 'gateway', loaded: undefined };
  if (config === undefined)
    throw new SmEdgeError('USAGE', 'which store?', { hint: 'give --config FILE, or --data FOLDER' });
  const loaded = loadConfig(config, context.env).config;
  const folder = loaded.storage.path;
  return { database: join(folder, DATABASE_FILE), folder, gatewayId: loaded.gateway.id, loaded };
}

/** @throws SmEdgeError `STORE_MISSING` */
export function requireStore(database: string, folder: string): void {
  if (existsSync(database)) return;
  throw new SmEdgeError('STORE_MISSING', `there is no store in ${folder}, or this user may not look there`, {
    hint: 'storage.path of the config names the data folder; run as the user of the service',
  });
}

/** @throws SmEdgeError `USAGE` */
export function requireBackup(file: string): void {
  if (existsSync(file)) return;
  throw new SmEdgeError('USAGE', `there is no ${file}`, {
    hint: 'backups lie in backups/ of the data folder, or where --to put them; their names end in .db or .db.gz.age',
  });
}

/** The secrets of a backup, from files or the environment: never from the command line, which others can read. */
export function secretsOf({ passphraseFile, identity }: SecretOptions, context: CliContext) {
  const passphrase =
    passphraseFile === undefined
      ? context.env[PASSPHRASE]
      : secretFile(passphraseFile).split('\n')[0]!.trim();
  const identities =
    identity === undefined
      ? []
      : secretFile(identity)
          .split('\n')
          .map((line) => line.trim())
          .filter((line) => line.startsWith('AGE-SECRET-KEY-'));
  if (identity !== undefined && identities.length === 0)
    throw new SmEdgeError('USAGE', `${identity} holds no age identity`, { hint: 'age-keygen makes one' });
  return { ...(passphrase === undefined || passphrase === '' ? {} : { passphrase }), identities };
}

function secretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, MAX_SECRET_BYTES);
  } catch (cause) {
    throw new SmEdgeError('USAGE', `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: 'name a file that holds it, and that this user may read',
    });
  }
}

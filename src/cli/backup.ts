import { join, resolve } from 'node:path';
import { systemClock } from '../base/clock.js';
import { createBackup } from '../storage/backup/backup.js';
import type { RegisterVerb } from './context.js';
import { numberOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import {
  requireStore,
  type SecretOptions,
  type StoreOptions,
  secretsOf,
  storeOf,
  withPassphrase,
  withStoreOptions,
} from './store-options.js';

interface BackupFlags extends StoreOptions, SecretOptions {
  readonly to?: string;
  readonly keep?: string;
  readonly recipient?: readonly string[];
}

/** `sm-edge backup`: a checked copy of the store, while the daemon writes to it. */
export const register: RegisterVerb = (program, context, exit) => {
  withPassphrase(withStoreOptions(program.command('backup')))
    .description('a checked copy of the store, also while the daemon runs')
    .option('--to <folder>', 'where to (default: backups/ in the data folder)')
    .option('--keep <count>', 'after success, delete older backups of this gateway beyond this number')
    .option(
      '--recipient <age1...>',
      'encrypt for the holder of an age identity; may be repeated',
      collect,
      [],
    )
    .action(async (flags: BackupFlags) => {
      const progress = new Progress(context, 'backup', 100);
      try {
        const { database, folder, gatewayId } = storeOf(flags, context);
        requireStore(database, folder);
        const keep = flags.keep === undefined ? undefined : numberOption('--keep', flags.keep);
        const { passphrase } = secretsOf(flags, context);
        const recipients = flags.recipient ?? [];
        const made = await createBackup({
          database,
          gatewayId,
          to: resolve(flags.to ?? join(folder, 'backups')),
          encrypt: passphrase === undefined ? { recipients } : { passphrase, recipients },
          ...(keep === undefined ? {} : { keep }),
          clock: systemClock,
          onProgress: (share, what) => progress.update(share * 100, what),
        });
        progress.end();
        const rows = Object.values(made.database.rows).reduce((sum, count) => sum + count, 0);
        const kept =
          made.keptBytes > 0 ? `; went on with ${made.keptBytes} bytes of one that was cut off` : '';
        await write(
          context.out,
          flags.json
            ? `${JSON.stringify({ ok: true, ...made })}\n`
            : `${made.path}: ${rows} rows, ${made.bytes} bytes${made.encrypted ? ', encrypted' : ''}, checked${kept}\n`,
        );
        exit(EXIT.done);
      } catch (thrown) {
        progress.end();
        exit(await reportFailure(context, flags.json === true, thrown));
      }
    });
};

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

import { systemClock } from '../base/clock.js';
import { restoreBackup } from '../storage/backup/restore.js';
import type { RegisterVerb } from './context.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import {
  requireBackup,
  type SecretOptions,
  type StoreOptions,
  secretsOf,
  storeOf,
  withPassphrase,
  withStoreOptions,
} from './store-options.js';

/** `sm-edge restore FILE`: puts a backup in the place of the store, which is set aside. */
export const register: RegisterVerb = (program, context, exit) => {
  withPassphrase(withStoreOptions(program.command('restore')))
    .argument('<backup>', 'the backup')
    .description('put a backup in the place of the store, which is set aside; the daemon must be stopped')
    .option('--identity <file>', 'file with the age identity that opens the backup')
    .action(async (backup: string, flags: StoreOptions & SecretOptions) => {
      const progress = new Progress(context, 'restore', 100);
      try {
        const { database } = storeOf(flags, context);
        requireBackup(backup);
        const restored = await restoreBackup({
          backup,
          database,
          secrets: secretsOf(flags, context),
          clock: systemClock,
          onProgress: (share, what) => progress.update(share * 100, what),
        });
        progress.end();
        const rows = Object.values(restored.rows).reduce((sum, count) => sum + count, 0);
        const before = restored.setAside === null ? '' : `; what was there is now ${restored.setAside}`;
        await write(
          context.out,
          flags.json
            ? `${JSON.stringify({ ok: true, ...restored })}\n`
            : `${database}: ${rows} rows restored${before}\n`,
        );
        exit(EXIT.done);
      } catch (thrown) {
        progress.end();
        exit(await reportFailure(context, flags.json === true, thrown));
      }
    });
};

import { statSync } from 'node:fs';
import { SmEdgeError } from '../base/errors.js';
import { manifestOf } from '../storage/backup/manifest.js';
import { verifyBackup } from '../storage/backup/verify.js';
import { integrityFindings } from '../storage/integrity.js';
import type { RegisterVerb } from './context.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import {
  requireBackup,
  requireStore,
  type SecretOptions,
  type StoreOptions,
  secretsOf,
  storeOf,
  withPassphrase,
  withStoreOptions,
} from './store-options.js';

/** `sm-edge verify [FILE]`: is a backup, or the store itself, whole? */
export const register: RegisterVerb = (program, context, exit) => {
  withPassphrase(withStoreOptions(program.command('verify')))
    .argument('[backup]', 'a backup; without it the store itself, also while the daemon runs')
    .description('prove that a backup, or the store itself, is whole')
    .option('--identity <file>', 'file with the age identity that opens the backup')
    .action(async (backup: string | undefined, flags: StoreOptions & SecretOptions) => {
      const progress = new Progress(context, 'verify', 100);
      try {
        const result = backup === undefined ? verifyStore(flags) : await verifyFile(backup, flags, progress);
        progress.end();
        const detail = 'sha256' in result ? `, sha256 ${result.sha256}` : '';
        await write(
          context.out,
          flags.json ? `${JSON.stringify({ ok: true, ...result })}\n` : `${result.file}: whole${detail}\n`,
        );
        exit(EXIT.done);
      } catch (thrown) {
        progress.end();
        exit(await reportFailure(context, flags.json === true, thrown));
      }
    });

  function verifyStore(flags: StoreOptions) {
    const { database, folder } = storeOf(flags, context);
    requireStore(database, folder);
    const findings = integrityFindings(database);
    if (findings.length > 0)
      throw new SmEdgeError('STORE_DAMAGED', `${database} is damaged: ${findings.join('; ')}`, {
        hint: 'the daemon sets it aside at its next start and goes on with what can be read',
      });
    return { file: database };
  }

  async function verifyFile(file: string, flags: StoreOptions & SecretOptions, progress: Progress) {
    requireBackup(file);
    const { size } = statSync(file);
    const manifest = await manifestOf(file);
    const proved = await verifyBackup(file, secretsOf(flags, context), manifest, (bytes) =>
      progress.update((100 * bytes) / Math.max(1, size), 'reading'),
    );
    return { file, manifest: manifest !== undefined, ...proved };
  }
};

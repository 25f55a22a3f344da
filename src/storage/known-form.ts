import { SmEdgeError } from '../base/errors.js';
import { MIGRATIONS } from './migrations/index.js';
import type { SqliteDatabase } from './sqlite.js';

/** Whoever only reads does not migrate. @throws SmEdgeError `STORE_OLDER`, `STORE_NEWER` */
export function requireKnownForm(db: SqliteDatabase, path: string): void {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version === MIGRATIONS.length) return;
  throw version > MIGRATIONS.length
    ? new SmEdgeError('STORE_NEWER', `${path} is of a newer program`, { hint: 'use its sm-edge' })
    : new SmEdgeError('STORE_OLDER', `${path} is of an older program`, {
        hint: 'start the daemon of this version once: it brings the store to its form',
      });
}

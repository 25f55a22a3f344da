import { isDamage } from './damage.js';
import { SqliteDatabase } from './sqlite.js';

/** Reads a whole database that another thread may write to, and says what is wrong with it; empty where nothing is. */
export function integrityFindings(path: string): string[] {
  const db = new SqliteDatabase(path, { readonly: true });
  try {
    const rows = db.pragma('integrity_check(20)') as { integrity_check: string }[];
    return rows.map((row) => row.integrity_check).filter((finding) => finding !== 'ok');
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    return [(thrown as Error).message];
  } finally {
    db.close();
  }
}

import { statSync } from 'node:fs';
import { ChunkStore } from '../chunks/chunk-store.js';
import { SERIES_KINDS } from '../chunks/kinds.js';
import { integrityFindings } from '../integrity.js';
import { SqliteDatabase } from '../sqlite.js';

export interface CopyFacts {
  readonly version: number;
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
  readonly bytes: number;
}

/** About how large a copy of a database becomes, with its free pages, bytes. */
export function expectedBytes(path: string): number {
  const db = new SqliteDatabase(path, { readonly: true });
  try {
    const pragma = (name: string) => Number(db.pragma(name, { simple: true }));
    return pragma('page_count') * pragma('page_size');
  } finally {
    db.close();
  }
}

/** What is in a copy. @throws where it is damaged */
export function copyFacts(path: string): CopyFacts {
  const findings = integrityFindings(path);
  if (findings.length > 0) throw new Error(findings[0]);
  const db = new SqliteDatabase(path, { readonly: true });
  try {
    const tables = db
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
      )
      .all() as { name: string }[];
    const rows = tables.map(({ name }) => [
      name,
      Number((db.prepare(`SELECT count(*) AS rows FROM "${name}"`).get() as { rows: number }).rows),
    ]);
    // Readings, features and scores are many to a row of a table: what a person asks for is how many they are.
    const kinds = tables.some(({ name }) => name === 'chunks') ? kindCounts(db) : {};
    return {
      version: Number(db.pragma('user_version', { simple: true })),
      rows: { ...Object.fromEntries(rows), ...kinds },
      bytes: statSync(path).size,
    };
  } finally {
    db.close();
  }
}

function kindCounts(db: SqliteDatabase): Record<string, number> {
  const store = new ChunkStore(db);
  return Object.fromEntries(SERIES_KINDS.map((kind) => [kind, store.count(kind)]));
}

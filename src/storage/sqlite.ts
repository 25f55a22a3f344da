import Database, { type Options, type PragmaOptions, type Statement } from 'better-sqlite3';

/**
 * Every database of this thread with its statements, for as long as the thread lives.
 *
 * Node 24.19 to 24.21 end the process when the garbage collector meets an object of a native addon that derives from
 * node::ObjectWrap outside of a context (nodejs/node#65446). better-sqlite3 12 derives from it, and the version that
 * does not any more needs Node 22. So none of its objects may ever become garbage: the few that there are stay.
 */
const retained = new Set<object>();

/** More SQL texts than this on one database would mean that values are written into them. */
const MAX_STATEMENTS = 500;

class RetainedDatabase extends Database {
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, options?: Options) {
    super(path, options);
    retained.add(this);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the exported type below is better-sqlite3's own.
  override prepare(sql: string): any {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= MAX_STATEMENTS) throw new Error(`too many SQL texts, the last: ${sql}`);
    const statement: Statement = super.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  override pragma(text: string, options: PragmaOptions = {}): unknown {
    const statement: Statement = this.prepare(`PRAGMA ${text}`);
    if (!statement.reader) return statement.run();
    const rows = statement.all() as Record<string, unknown>[];
    return options.simple === true ? Object.values(rows[0] ?? {})[0] : rows;
  }
}

/**
 * better-sqlite3's database, whose statements are prepared once for each SQL text and kept. One text has one mode: a
 * statement that was asked to `pluck()` plucks for everybody who prepares the same text.
 *
 * Not to be used, because each call makes another native object: `iterate()` (read in pages instead) and `backup()`.
 */
export const SqliteDatabase: typeof Database = RetainedDatabase as unknown as typeof Database;
export type SqliteDatabase = Database.Database;

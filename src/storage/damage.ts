import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { SmEdgeError } from '../base/errors.js';
import { MIGRATIONS } from './migrations/index.js';
import { Salvage, type Tallies, versionOf } from './salvage/salvage.js';
import { SqliteDatabase } from './sqlite.js';
import { migrate } from './start-check.js';
import { storedJson } from './stored-json.js';

/** A database that was found damaged and set aside, and how far it has been read. */
export interface DamagedFile {
  /** Where it is now. */
  readonly file: string;
  /** When, as ISO 8601 with dashes. */
  readonly stamp: string;
  readonly finding: string;
  /** Pages of it. */
  readonly pages: number;
  /** The page to go on from; null when all is read. */
  readonly nextPage: number | null;
  readonly tallies: Tallies;
  /** Why it could not be read at all, or not further. */
  readonly error: string | null;
}

const DOCUMENT = 'storage.damaged';
/** Older ones are forgotten; their files stay. */
const MAX_REMEMBERED = 20;
const PARTS = ['', '-wal', '-shm'] as const;
/** A commit of salvaged rows lasts about this long on a slow card. */
const PAGES_PER_SLICE = 64;

const codeOf = (thrown: unknown): string => String((thrown as { code?: unknown } | null)?.code);

/** Does SQLite say that the file is damaged? */
export function isDamage(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return code === 'STORE_DAMAGED' || code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
}

/** Retryable: the store puts a new file in the place of a damaged one. */
export const damageError = (thrown: unknown): SmEdgeError =>
  new SmEdgeError('STORE_DAMAGED', thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
    retryable: true,
  });

/** Are there blocks that the medium does not give back? At the start that is damage; later it may pass. */
export const isUnreadable = (thrown: unknown): boolean => /^SQLITE_IOERR_(SHORT_)?READ$/.test(codeOf(thrown));

/**
 * Sets a damaged database aside (never deletes it) and puts a new one in its place, with what the daemon needs to go
 * on read into it already; the bulk follows by `SalvageWork`. Safe to be cut off at any moment: the new file takes its
 * place when it is complete. Nobody may have the database open.
 */
export function replaceDamaged(path: string, stamp: string, finding: string): void {
  const fresh = newPath(path);
  removeDatabase(fresh);
  const setAside = `${path}.damaged-${stamp}`;
  const version = attempt(() => versionOf(path));
  const db = new SqliteDatabase(fresh);
  try {
    db.pragma('auto_vacuum = INCREMENTAL');
    migrate(db, 0, version.value);
    const read = attempt(() => readFirst(path, db, version.value));
    migrate(db, version.value ?? MIGRATIONS.length);
    const earlier = damagedFiles(db);
    const { pages = 0, nextPage = null, tallies = {} } = read.value ?? {};
    const record = { file: setAside, stamp, finding, pages, nextPage, tallies, error: read.error ?? null };
    remember(db, [...earlier, record]);
  } finally {
    db.close();
  }
  for (const part of PARTS) if (existsSync(path + part)) renameSync(path + part, setAside + part);
  renameSync(fresh, path);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Ends what a cut-off `replaceDamaged` began. */
export function finishReplacing(path: string): void {
  const fresh = newPath(path);
  if (!existsSync(fresh)) return;
  if (existsSync(path)) removeDatabase(fresh);
  else renameSync(fresh, path);
}

function readFirst(path: string, db: SqliteDatabase, version = MIGRATIONS.length) {
  const salvage = new Salvage(path, db, true);
  try {
    salvage.readFirst();
    let nextPage: number | null = salvage.hasMore ? 2 : null;
    // Rows of an older form go through the migrations, which do not wait for stragglers.
    while (version < MIGRATIONS.length && nextPage !== null)
      nextPage = salvage.readFurther(nextPage, PAGES_PER_SLICE) ?? null;
    return { pages: salvage.pageCount, nextPage, tallies: salvage.tallies };
  } finally {
    salvage.close();
  }
}

/** Reads the bulk of damaged files, a slice at a time. */
export class SalvageWork {
  readonly #db: SqliteDatabase;
  #current: { readonly file: string; readonly salvage: Salvage; readonly before: Tallies } | undefined;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /** One slice, in one commit with the note of how far it went; false when nothing is left to read. */
  step(): boolean {
    const files = damagedFiles(this.#db);
    const next = files.find(({ nextPage }) => nextPage !== null);
    if (next === undefined || next.nextPage === null) return false;
    const { nextPage } = next;
    const result = attempt(() =>
      this.#db.transaction(() => {
        const changed = { ...next, ...this.#read(next, nextPage) };
        remember(
          this.#db,
          files.map((file) => (file === next ? changed : file)),
        );
        return changed;
      })(),
    );
    if (result.error !== undefined) {
      const givenUp = { ...next, nextPage: null, error: result.error };
      remember(
        this.#db,
        files.map((file) => (file === next ? givenUp : file)),
      );
    }
    if ((result.value?.nextPage ?? null) === null) this.close();
    return damagedFiles(this.#db).some((file) => file.nextPage !== null);
  }

  close(): void {
    this.#current?.salvage.close();
    this.#current = undefined;
  }

  #read({ file, tallies }: DamagedFile, fromPage: number): Pick<DamagedFile, 'nextPage' | 'tallies'> {
    if (this.#current?.file !== file) {
      this.close();
      this.#current = { file, salvage: new Salvage(file, this.#db, false), before: tallies };
    }
    const { salvage, before } = this.#current;
    const nextPage = salvage.readFurther(fromPage, PAGES_PER_SLICE) ?? null;
    return { nextPage, tallies: added(before, salvage.tallies) };
  }
}

/** The damaged files that this database knows of, the oldest first. */
export function damagedFiles(db: SqliteDatabase): DamagedFile[] {
  const text = db.prepare('SELECT document FROM documents WHERE key = ?').pluck().get(DOCUMENT);
  return text === undefined ? [] : (storedJson(text) as DamagedFile[]);
}

function remember(db: SqliteDatabase, files: readonly DamagedFile[]): void {
  db.prepare('INSERT OR REPLACE INTO documents (key, document) VALUES (?, ?)').run(
    DOCUMENT,
    JSON.stringify(files.slice(-MAX_REMEMBERED)),
  );
}

function added(a: Tallies, b: Tallies): Tallies {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const none = { rows: 0, pages: 0, lostPages: 0, lostRows: 0 };
  return Object.fromEntries(
    names.map((name) => {
      const [one, other] = [a[name] ?? none, b[name] ?? none];
      return [
        name,
        {
          rows: one.rows + other.rows,
          pages: one.pages + other.pages,
          lostPages: one.lostPages + other.lostPages,
          lostRows: one.lostRows + other.lostRows,
        },
      ];
    }),
  );
}

/** What a damaged file makes fail is noted; a disk that takes nothing is tried again later. */
function attempt<T>(work: () => T): { value?: T; error?: string } {
  try {
    return { value: work() };
  } catch (thrown) {
    const code = codeOf(thrown);
    if (/^(SQLITE_(FULL|READONLY|BUSY|IOERR|CANTOPEN)|ENOSPC|EROFS|EMFILE)/.test(code)) throw thrown;
    return { error: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

/** Where a complete new database waits to take the place of `path`. */
export const newPath = (path: string): string => `${path}.new`;

function removeDatabase(path: string): void {
  for (const part of [...PARTS, '-journal']) rmSync(path + part, { force: true });
}

import type { SqliteDatabase } from '../sqlite.js';
import { type DamagedSchema, damagedSchema } from './damaged-schema.js';
import { PageFile } from './page-file.js';
import { FIRST_TABLE, type PageOwners, pageOwners, UNKNOWN } from './page-owners.js';
import { type BtreePage, readBtreePage, type StoredRow } from './record.js';
import { ROW_CHECKS } from './row-checks.js';
import { type TableLayout, tableLayouts, valuesOf } from './table-layout.js';

/** What was got out of one table. */
export interface Tally {
  rows: number;
  /** Pages that they were on. */
  pages: number;
  /** Pages that could not be read; what was on them is lost. */
  lostPages: number;
  /** Rows on pages that could otherwise be read. */
  lostRows: number;
}

/** By table. */
export type Tallies = Readonly<Record<string, Tally>>;

/** A table up to this many pages is read at once, before the daemon goes on; larger ones meanwhile. */
const SMALL_TABLE_PAGES = 2_000;
/** Whatever their size: what the daemon must know before it goes on. */
const FIRST = new Set([
  'points',
  'series',
  'tail',
  'feature_names',
  'models',
  'alarm_states',
  'cursors',
  'documents',
  'outbox',
  'dead_letters',
  'events',
]);
/**
 * Their rows are few, and of the same form as an index has: only the tree says whose a page is. A row of the tail that
 * comes back later than the start would not be in memory.
 */
const BY_TREE_ALONE = new Set(['cursors', 'sqlite_sequence', 'tail']);
/** Only ever added to or thinned out by age: a deleted row that comes back does no harm. */
const HARMLESS = new Set([
  'points',
  'series',
  'chunks',
  'models',
  'feature_names',
  'readings',
  'waveforms',
  'features',
  'scores',
]);
/** Numbers are not given out again, even where it is not known any more which ones were. */
const NUMBERS_LEFT_OUT = 100_000;
/** Tables that others refer to by number, and by which column. A lost row gets a name to be found by. */
const NAMES: readonly { table: string; column: string; insert: string }[] = [
  {
    table: 'points',
    column: 'point_id',
    insert: "INSERT OR IGNORE INTO points (id, name, unit) VALUES (?, ?, '')",
  },
  {
    table: 'series',
    column: 'series_id',
    insert: "INSERT OR IGNORE INTO series (id, point_id, kind, detail) VALUES (?, 0, 'lost', ?)",
  },
  {
    table: 'models',
    column: 'model_id',
    insert: "INSERT OR IGNORE INTO models (id, name, version) VALUES (?, ?, '0')",
  },
];

/**
 * Reads what can be read out of a damaged database, page by page and without SQLite, which stops at the first page
 * that is wrong. Works in two parts: `readFirst` what the daemon needs to go on, `readFurther` the bulk, in slices.
 */
export class Salvage {
  readonly #file: PageFile;
  readonly #target: SqliteDatabase;
  readonly #schema: DamagedSchema;
  readonly #pages: PageOwners;
  readonly #tallies = new Map<string, Tally>();
  readonly #inserts = new Map<string, (row: StoredRow) => boolean>();
  readonly #isFirst: readonly boolean[];
  /** Those of `NAMES` that the form of the target has. */
  readonly #names: typeof NAMES;
  /** Numbers in the bulk that must have a name. */
  readonly #referred = new Map<string, Set<number>>();

  /**
   * @param target the new database; must have the tables of `versionOf(path)`
   * @param isFirstTime false for one that goes on where another ended: pages without a tree are counted already
   */
  constructor(path: string, target: SqliteDatabase, isFirstTime: boolean) {
    this.#file = new PageFile(path);
    this.#target = target;
    const tables = new Set(tableLayouts(target).map(({ name }) => name));
    this.#names = NAMES.filter(({ table }) => tables.has(table));
    this.#schema = damagedSchema(this.#file);
    const { layouts, indexRoots } = this.#schema;
    this.#pages = pageOwners(this.#file, layouts, indexRoots);
    if (isFirstTime) for (const [name, count] of this.#pages.broken) this.#tally(name).lostPages += count;
    const sizes = layouts.map(() => 0);
    for (const owner of this.#pages.owner) if (owner >= FIRST_TABLE) sizes[owner - FIRST_TABLE]!++;
    this.#isFirst = layouts.map(({ name }, index) => FIRST.has(name) || sizes[index]! <= SMALL_TABLE_PAGES);
    this.#prepareInserts();
  }

  get pageCount(): number {
    return this.#file.pageCount;
  }

  /** True where `readFurther` has something to do: a bulky table, or pages that nobody owns. */
  get hasMore(): boolean {
    return this.#pages.owner.some((owner, page) => page > 0 && this.#isForLater(owner));
  }

  get tallies(): Tallies {
    return structuredClone(Object.fromEntries(this.#tallies));
  }

  /** The small tables, and those that must be there before anything else. */
  readFirst(): void {
    this.#target.transaction(() => {
      for (let page = 2; page <= this.#file.pageCount; page++) {
        const owner = this.#pages.owner[page]!;
        if (owner >= FIRST_TABLE && this.#isFirst[owner - FIRST_TABLE]) this.#readOwned(page, owner);
      }
      this.#skipNumbers();
      this.#nameTheNameless();
    })();
  }

  /**
   * A slice of the rest, in one commit.
   * @returns the page to go on from; undefined when all is read
   */
  readFurther(fromPage: number, pages: number): number | undefined {
    const end = Math.min(fromPage + pages, this.#file.pageCount + 1);
    this.#target.transaction(() => {
      for (let page = fromPage; page < end; page++) {
        const owner = this.#pages.owner[page]!;
        if (owner === UNKNOWN) this.#readUnknown(page);
        else if (this.#isForLater(owner)) this.#readOwned(page, owner);
      }
      this.#nameTheNameless();
    })();
    return end > this.#file.pageCount ? undefined : end;
  }

  close(): void {
    this.#file.close();
  }

  #isForLater(owner: number): boolean {
    return owner === UNKNOWN || (owner >= FIRST_TABLE && !this.#isFirst[owner - FIRST_TABLE]);
  }

  #readOwned(number: number, owner: number): void {
    const layout = this.#schema.layouts[owner - FIRST_TABLE]!;
    const page = readBtreePage(this.#file, number);
    if (page === undefined) this.#tally(layout.name).lostPages++;
    else this.#take(layout, page);
  }

  /** A page that no tree leads to: whose it is, its rows tell. */
  #readUnknown(number: number): void {
    const page = readBtreePage(this.#file, number);
    if (page === undefined || page.rows.length === 0) return;
    const { freeListIsWhole } = this.#pages;
    const candidates = this.#schema.layouts.filter(
      (layout) =>
        !BY_TREE_ALONE.has(layout.name) &&
        (freeListIsWhole || HARMLESS.has(layout.name)) &&
        page.rows.every((row) => valuesOf(layout, row) !== undefined),
    );
    // Two tables of the same form (points and models): nobody can tell, and a wrong guess is worse than a loss.
    if (candidates.length === 1) this.#take(candidates[0]!, page);
  }

  #take({ name }: TableLayout, page: BtreePage): void {
    const tally = this.#tally(name);
    const insert = this.#inserts.get(name);
    tally.pages++;
    tally.lostRows += page.brokenCells;
    for (const row of page.rows) {
      if (insert?.(row) === true) tally.rows++;
      else tally.lostRows++;
    }
  }

  #tally(table: string): Tally {
    let tally = this.#tallies.get(table);
    if (tally === undefined) {
      tally = { rows: 0, pages: 0, lostPages: 0, lostRows: 0 };
      this.#tallies.set(table, tally);
    }
    return tally;
  }

  #prepareInserts(): void {
    const targets = new Map(tableLayouts(this.#target).map((layout) => [layout.name, layout]));
    for (const layout of this.#schema.layouts) {
      const known = new Set(targets.get(layout.name)?.columns.map(({ name }) => name));
      if (layout.name === 'sqlite_sequence' || known.size === 0) continue;
      const columns = layout.columns
        .map(({ name }, index) => ({ name, index }))
        .filter(({ name }) => known.has(name));
      const statement = this.#target.prepare(
        `INSERT OR IGNORE INTO "${layout.name}" (${columns.map(({ name }) => `"${name}"`).join(', ')})
         VALUES (${columns.map(() => '?').join(', ')})`,
      );
      const isSound = ROW_CHECKS[layout.name];
      const references = this.#names.flatMap(({ table, column }) => {
        const at = columns.findIndex(({ name }) => name === column);
        return at < 0 ? [] : [{ table, at }];
      });
      this.#inserts.set(layout.name, (row) => {
        const all = valuesOf(layout, row);
        if (all === undefined) return false;
        const values = columns.map(({ index }) => all[index]!);
        if (isSound?.(Object.fromEntries(columns.map(({ name }, index) => [name, values[index]]))) === false)
          return false;
        try {
          statement.run(values);
        } catch (thrown) {
          if (String((thrown as { code?: unknown }).code).startsWith('SQLITE_CONSTRAINT')) return false;
          throw thrown;
        }
        for (const { table, at } of references) this.#refer(table, Number(values[at]));
        return true;
      });
    }
  }

  #refer(table: string, id: number): void {
    const ids = this.#referred.get(table) ?? new Set();
    ids.add(id);
    this.#referred.set(table, ids);
  }

  /** Rows whose point or model was lost stay to be found, and their number is not given to another one. */
  #nameTheNameless(): void {
    for (const { table, insert } of this.#names) {
      const statement = this.#target.prepare(insert);
      for (const id of this.#referred.get(table) ?? []) statement.run(id, `lost-${id}`);
      this.#referred.delete(table);
    }
  }

  /** New rows get numbers that no lost row can have had. */
  #skipNumbers(): void {
    for (const { table } of this.#names) {
      const { lostPages = 0, lostRows = 0 } = this.#tallies.get(table) ?? {};
      if (lostPages + lostRows === 0) continue;
      const insert = NAMES.find((name) => name.table === table)!.insert;
      this.#target.prepare(insert).run(NUMBERS_LEFT_OUT, `lost-${NUMBERS_LEFT_OUT}`);
    }
    const target = this.#target;
    const counted = target
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
      .all() as { name: string }[];
    for (const { name } of counted) {
      const known = [
        ...this.#sequences.filter((sequence) => sequence.name === name).map(({ seq }) => seq),
        Number(target.prepare(`SELECT coalesce(max(rowid), 0) AS top FROM "${name}"`).pluck().get()),
        ...(name === 'events'
          ? [Number(target.prepare('SELECT coalesce(max(seq), 0) AS top FROM cursors').pluck().get())]
          : []),
      ];
      target.prepare('DELETE FROM sqlite_sequence WHERE name = ?').run(name);
      target
        .prepare('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)')
        .run(name, Math.max(...known) + NUMBERS_LEFT_OUT);
    }
  }

  /** The counters of the damaged file, as far as they can be read. */
  get #sequences(): { name: string; seq: number }[] {
    const layout = this.#schema.layouts.find(({ name }) => name === 'sqlite_sequence');
    const page = layout === undefined ? undefined : readBtreePage(this.#file, layout.rootPage);
    return (page?.rows ?? []).flatMap(({ values: [name, seq] }) =>
      typeof name === 'string' && typeof seq === 'number' ? [{ name, seq }] : [],
    );
  }
}

/** The form that a damaged database had, or most likely had. */
export function versionOf(path: string): number {
  const file = new PageFile(path);
  try {
    return damagedSchema(file).version;
  } finally {
    file.close();
  }
}

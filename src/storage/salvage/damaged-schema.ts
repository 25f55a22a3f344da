import { MIGRATIONS } from '../migrations/index.js';
import { SqliteDatabase } from '../sqlite.js';
import type { PageFile } from './page-file.js';
import { FIRST_TABLE } from './page-owners.js';
import { readBtreePage } from './record.js';
import { type TableLayout, tableLayouts } from './table-layout.js';

export interface DamagedSchema {
  /** The form that the database had. */
  readonly version: number;
  readonly layouts: readonly TableLayout[];
  readonly indexRoots: readonly number[];
}

const SCHEMA_ROOT = 1;
/** Owners of pages are noted in a byte each. */
const MAX_TABLES = 255 - FIRST_TABLE;

/**
 * The tables of a damaged database: as its own schema has them, and where that cannot be read as this program would
 * have made them, in the same places of the file.
 */
export function damagedSchema(file: PageFile): DamagedSchema {
  const version =
    file.userVersion >= 1 && file.userVersion <= MIGRATIONS.length ? file.userVersion : MIGRATIONS.length;
  const ours = usualLayouts(version);
  const roots = new Map<string, number>();
  const indexRoots: number[] = [];
  const scratch = new SqliteDatabase(':memory:');
  try {
    for (const { values } of schemaRows(file)) {
      const [type, name, , root, sql] = values;
      if (typeof name !== 'string' || typeof root !== 'number') continue;
      if (type === 'index') indexRoots.push(root);
      if (type !== 'table') continue;
      roots.set(name, root);
      if (name.startsWith('sqlite_') || typeof sql !== 'string' || !/^CREATE TABLE /.test(sql)) continue;
      try {
        scratch.exec(sql);
      } catch {
        // Its text is damaged: the table is taken as this program makes it.
        roots.delete(name);
      }
    }
    const found = tableLayouts(scratch).flatMap((layout) => {
      const rootPage = roots.get(layout.name);
      return rootPage === undefined ? [] : [{ ...layout, rootPage }];
    });
    const names = new Set(found.map(({ name }) => name));
    const taken = new Set([...found.map(({ rootPage }) => rootPage), ...indexRoots]);
    const missing = ours
      .filter(({ name }) => !names.has(name))
      // Without a place the table still serves to recognise pages by the form of their rows.
      .map((layout) => (taken.has(layout.rootPage) ? { ...layout, rootPage: 0 } : layout));
    return { version, layouts: [...found, ...missing].slice(0, MAX_TABLES), indexRoots };
  } finally {
    scratch.close();
  }
}

function* schemaRows(file: PageFile) {
  const stack = [SCHEMA_ROOT];
  const seen = new Set<number>();
  while (stack.length > 0) {
    const number = stack.pop()!;
    if (seen.has(number) || number < 1 || number > file.pageCount) continue;
    seen.add(number);
    const page = readBtreePage(file, number);
    if (page === undefined || !page.kind.startsWith('table')) continue;
    yield* page.rows;
    stack.push(...page.children);
  }
}

/** As in a database that was made by this program in one go. */
function usualLayouts(version: number): TableLayout[] {
  const usual = new SqliteDatabase(':memory:');
  try {
    usual.pragma('auto_vacuum = INCREMENTAL');
    for (const migrate of MIGRATIONS.slice(0, version)) migrate(usual);
    return tableLayouts(usual);
  } finally {
    usual.close();
  }
}

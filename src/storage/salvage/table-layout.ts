import type { SqliteDatabase } from '../sqlite.js';
import type { StoredRow, StoredValue } from './record.js';

/** How the rows of a table lie in their records. */
export interface TableLayout {
  readonly name: string;
  readonly rootPage: number;
  readonly withoutRowid: boolean;
  /** In the order of the record. */
  readonly columns: readonly ColumnLayout[];
}

interface ColumnLayout {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  /** `INTEGER PRIMARY KEY`: the record has NULL, the value is the rowid. */
  readonly isRowid: boolean;
  /** Of rows that are older than the column. */
  readonly default: StoredValue;
}

interface SchemaRow {
  readonly name: string;
  readonly rootpage: number;
  readonly sql: string;
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  /** SQL text. */
  readonly dflt_value: string | null;
  /** Place in the primary key, from 1; 0 where it is not in it. */
  readonly pk: number;
}

/** The tables of a database with their layouts, `sqlite_sequence` included. */
export function tableLayouts(db: SqliteDatabase): TableLayout[] {
  const tables = db
    .prepare(
      `SELECT name, rootpage, sql FROM sqlite_schema
       WHERE type = 'table' AND (name NOT LIKE 'sqlite%' OR name = 'sqlite_sequence') ORDER BY rootpage`,
    )
    .all() as SchemaRow[];
  return tables.map(({ name, rootpage, sql }) => {
    const columns = db
      .prepare('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?) ORDER BY cid')
      .all(name) as ColumnRow[];
    const withoutRowid = /\bWITHOUT\s+ROWID\b/i.test(sql.slice(sql.lastIndexOf(')')));
    const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    const rowidAlias =
      !withoutRowid && key.length === 1 && key[0]!.type.toUpperCase() === 'INTEGER' ? key[0] : undefined;
    // A WITHOUT ROWID table has its key first (sqlite.org/fileformat2.html, section 2.4).
    const ordered = withoutRowid ? [...key, ...columns.filter(({ pk }) => pk === 0)] : columns;
    return {
      name,
      rootPage: rootpage,
      withoutRowid,
      columns: ordered.map((column) => ({
        name: column.name,
        type: column.type.toUpperCase(),
        notNull: column.notnull === 1 || (withoutRowid && column.pk > 0),
        isRowid: column === rowidAlias,
        default: literal(column.dflt_value),
      })),
    };
  });
}

/** The values of a row by the columns of its table; undefined where the row cannot be of this table. */
export function valuesOf(layout: TableLayout, row: StoredRow): StoredValue[] | undefined {
  const { columns, withoutRowid } = layout;
  if (withoutRowid !== (row.rowid === undefined) || row.values.length > columns.length) return undefined;
  const values: StoredValue[] = [];
  for (const [index, column] of columns.entries()) {
    // Columns that a migration added later are missing in older rows.
    const value = index < row.values.length ? row.values[index]! : column.default;
    if (column.isRowid) {
      if (value !== null) return undefined;
      values.push(row.rowid!);
      continue;
    }
    if (!fits(column, value)) return undefined;
    values.push(value);
  }
  return values;
}

/** A number, a text in quotes, or NULL, which is all that our defaults are. */
function literal(sql: string | null): StoredValue {
  if (sql === null || sql.toUpperCase() === 'NULL') return null;
  if (sql.startsWith("'")) return sql.slice(1, -1).replaceAll("''", "'");
  return Number(sql);
}

/** Do the types of a STRICT table allow it? */
function fits({ type, notNull }: ColumnLayout, value: StoredValue): boolean {
  if (value === null) return !notNull;
  switch (type) {
    case 'INTEGER':
    case 'INT':
      return typeof value === 'number' ? Number.isInteger(value) : typeof value === 'bigint';
    case 'REAL':
      return typeof value === 'number';
    case 'TEXT':
      return typeof value === 'string';
    case 'BLOB':
      return Buffer.isBuffer(value);
    default:
      return true;
  }
}

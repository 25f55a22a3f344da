import type { PageFile } from './page-file.js';
import { kindOfPage, readBtreePage } from './record.js';
import type { TableLayout } from './table-layout.js';

/** Nobody's that is known: free, an overflow page, or a page that a broken one pointed to. */
export const UNKNOWN = 0;
/** Of an index, the schema, or free: has no rows of a table. */
export const NO_ROWS = 1;
/** The table at place N of the layouts has number FIRST_TABLE + N. */
export const FIRST_TABLE = 2;

const SCHEMA_ROOT = 1;

export interface PageOwners {
  /** By page number: whose it is. */
  readonly owner: Uint8Array;
  /** Pages of trees that are no pages of a tree any more, by the table they belonged to. */
  readonly broken: Map<string, number>;
  /** The list of free pages is whole: what is unknown was in use. */
  readonly freeListIsWhole: boolean;
}

/** Goes through the trees from their roots and notes whose each page is. Leaves are not read but where they must be. */
export function pageOwners(
  file: PageFile,
  layouts: readonly TableLayout[],
  indexRoots: readonly number[],
): PageOwners {
  const owner = new Uint8Array(file.pageCount + 1);
  const broken = new Map<string, number>();
  const freeListIsWhole = markFreePages(file, owner);
  for (const root of [SCHEMA_ROOT, ...indexRoots]) walk(file, owner, root, NO_ROWS, () => undefined);
  for (const [index, { name, rootPage }] of layouts.entries()) {
    walk(file, owner, rootPage, FIRST_TABLE + index, () => broken.set(name, (broken.get(name) ?? 0) + 1));
  }
  return { owner, broken, freeListIsWhole };
}

function walk(file: PageFile, owner: Uint8Array, root: number, mark: number, onBroken: () => void): void {
  const stack = [root];
  const take = (number: number): boolean => {
    const free = number >= 1 && number <= file.pageCount && owner[number] === UNKNOWN;
    if (free) owner[number] = mark;
    else onBroken();
    return free;
  };
  while (stack.length > 0) {
    const number = stack.pop()!;
    if (!take(number)) continue;
    const page = readBtreePage(file, number, false);
    if (page === undefined) {
      // Not a page of a tree: what it pointed to stays unknown and is looked at page by page.
      owner[number] = NO_ROWS;
      onBroken();
      continue;
    }
    // All leaves of a tree lie at one depth, so two of the children tell for all of them.
    const ends = [page.children[0], page.children.at(-1)].flatMap((child) => child ?? []);
    const leavesBelow = ends.length > 0 && !ends.some((child) => isInterior(file, child));
    if (leavesBelow) for (const child of page.children) take(child);
    else stack.push(...page.children);
  }
}

function isInterior(file: PageFile, number: number): boolean {
  const page = number >= 2 && number <= file.pageCount ? file.page(number) : undefined;
  return page !== undefined && kindOfPage(page, number)?.endsWith('interior') === true;
}

/** Free pages still hold rows that were deleted, which must not come back (sqlite.org/fileformat2.html, section 1.5). */
function markFreePages(file: PageFile, owner: Uint8Array): boolean {
  const header = file.page(1);
  let marked = 0;
  let trunk = header?.readUInt32BE(32) ?? 0;
  while (trunk > 1 && trunk <= file.pageCount && owner[trunk] === UNKNOWN) {
    owner[trunk] = NO_ROWS;
    marked++;
    const page = file.page(trunk);
    if (page === undefined) return false;
    const count = Math.min(page.readUInt32BE(4), Math.floor(file.usableSize / 4) - 2);
    for (let index = 0; index < count; index++) {
      const leaf = page.readUInt32BE(8 + 4 * index);
      if (leaf < 2 || leaf > file.pageCount || owner[leaf] !== UNKNOWN) continue;
      owner[leaf] = NO_ROWS;
      marked++;
    }
    trunk = page.readUInt32BE(0);
  }
  return header !== undefined && marked === header.readUInt32BE(36);
}

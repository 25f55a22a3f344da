import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DATABASE_FILE } from './database-file.js';

/** What lies in the data folder, bytes. */
export interface DiskUsage {
  /** The database with its log, as files. */
  readonly database: number;
  /** Backups, models, downloads, logs: all other files that are in use. */
  readonly other: number;
  /** Databases that were set aside: for a person to look at and to take away. */
  readonly setAside: number;
  /** Left on the disk for this program. */
  readonly free: number;
  /** Size of the disk. */
  readonly total: number;
}

/** Deeper than any folder of ours; a loop of links must not be followed for ever. */
const MAX_DEPTH = 8;
const SET_ASIDE = new RegExp(`^${DATABASE_FILE}\\.(damaged|before-restore)-`);
/** Never filled by this program, so that the system and the program can still move: bytes, and a share of the disk. */
const SPARE_BYTES = 64 * 2 ** 20;
const SPARE_SHARE = 0.05;

export async function diskUsage(folder: string): Promise<DiskUsage> {
  const { bavail, bsize, blocks } = await statfs(folder);
  const sums = { database: 0, other: 0, setAside: 0 };
  await addFolder(folder, 0, sums);
  return { ...sums, free: bavail * bsize, total: blocks * bsize };
}

async function addFolder(
  folder: string,
  depth: number,
  sums: { database: number; other: number; setAside: number },
): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH) await addFolder(path, depth + 1, sums);
    if (!entry.isFile()) continue;
    // A file may go away while one looks.
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    const isOurs = depth === 0 && entry.name.startsWith(DATABASE_FILE);
    if (depth === 0 && SET_ASIDE.test(entry.name)) sums.setAside += size;
    else if (isOurs) sums.database += size;
    else sums.other += size;
  }
}

export type BudgetLevel = 'good' | 'warn' | 'shed' | 'full';

export interface BudgetView {
  readonly level: BudgetLevel;
  /** What may be used in all: the budget, or less where the disk has less. */
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** What the database may use, so that the whole stays within the limit. */
  readonly databaseBytes: number;
}

const WARN_FROM = 0.8;
const SHED_FROM = 0.9;
/** A database that may use less than this could not work at all. */
const LEAST_DATABASE_BYTES = 4 * 2 ** 20;

/**
 * One budget over everything in the data folder but what was set aside: that is a person's to take away, and shedding
 * live data for it would lose them for the sake of damaged ones.
 * @param databaseBytes pages in use and the log; free pages are used again before the file grows
 */
export function budgetView(usage: DiskUsage, databaseBytes: number, budgetBytes: number): BudgetView {
  const usedBytes = databaseBytes + usage.other;
  const spare = Math.min(SPARE_BYTES, usage.total * SPARE_SHARE);
  // Free pages in the file count as room that is there.
  const reachable = usage.database + usage.other + usage.free - spare;
  const limitBytes = Math.max(1, Math.min(budgetBytes, reachable));
  const share = usedBytes / limitBytes;
  const level = share >= 1 ? 'full' : share >= SHED_FROM ? 'shed' : share >= WARN_FROM ? 'warn' : 'good';
  // Retention sheds from 90 % of what it is given: the other files count in full.
  const forDatabase = limitBytes - usage.other / SHED_FROM;
  return { level, limitBytes, usedBytes, databaseBytes: Math.max(LEAST_DATABASE_BYTES, forDatabase) };
}

import type { Database } from 'better-sqlite3';
import { initial } from './001-initial.js';

/** Step N brings a database from user_version N to N + 1. Only ever append; a released step is never changed. */
export const MIGRATIONS: readonly ((db: Database) => void)[] = [initial];

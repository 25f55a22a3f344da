import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { SqliteDatabase } from '#sm/storage/sqlite.js';

/**
 * Opens, uses and drops databases while garbage is collected from the event loop, where Node 24.19 to 24.21 end the
 * process if a dropped object of better-sqlite3 is among it (nodejs/node#65446).
 */
const DROPPING = `
  import { SqliteDatabase } from '#sm/storage/sqlite.js';
  let round = 0;
  const drop = () => {
    for (let index = 0; index < 300; index++) {
      const db = new SqliteDatabase(':memory:');
      db.pragma('user_version = 3');
      db.prepare('SELECT 1').get();
      db.transaction(() => db.prepare('SELECT 2').get())();
      db.close();
    }
    const garbage = [];
    for (let index = 0; index < 500; index++) garbage.push(Buffer.alloc(1000), new Array(10000).fill(index));
    if (++round < 10) setTimeout(drop, 5);
    else setTimeout(() => console.log('survived'), 300);
  };
  drop();`;

describe('a database', () => {
  it('may be dropped without ending the process', () => {
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', DROPPING], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(printed).toBe('survived\n');
  });

  it('prepares a SQL text once', () => {
    const db = new SqliteDatabase(':memory:');
    expect(db.prepare('SELECT ? AS n')).toBe(db.prepare('SELECT ? AS n'));
    expect(db.prepare('SELECT ? AS n').get(4)).toEqual({ n: 4 });
    db.close();
  });

  it('refuses texts without end, which means that values are written into them', () => {
    const db = new SqliteDatabase(':memory:');
    const prepareMany = () => {
      for (let value = 0; value < 1000; value++) db.prepare(`SELECT ${value}`);
    };
    expect(prepareMany).toThrow(/too many SQL texts/);
    db.close();
  });

  it('answers a pragma with rows, with one value, and with nothing', () => {
    const db = new SqliteDatabase(':memory:');
    db.pragma('user_version = 7');
    expect(db.pragma('user_version')).toEqual([{ user_version: 7 }]);
    expect(db.pragma('user_version', { simple: true })).toBe(7);
    db.close();
  });
});

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '#sm/storage/database.js';
import { lockFolder } from '#sm/storage/folder-lock.js';
import { initial } from '#sm/storage/migrations/001-initial.js';
import { MIGRATIONS } from '#sm/storage/migrations/index.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { StoreFolder } from '../support/store.js';

const EVER = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 10_000] as const;
const POINT = 'pump-1.temperature';

describe('a database', () => {
  it('is made with the promises that the documentation gives', async () => {
    const folder = await StoreFolder.create();
    const { db, lock } = openDatabase(folder.file, 'now');
    const pragma = (name: string) => db.pragma(name, { simple: true });
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2); // FULL: better-sqlite3 is compiled with NORMAL for WAL
    expect(pragma('auto_vacuum')).toBe(2); // incremental
    expect(pragma('user_version')).toBe(MIGRATIONS.length);
    db.close();
    lock.release();
    const again = openDatabase(folder.file, 'now');
    expect(again.db.pragma('synchronous', { simple: true })).toBe(2);
    again.db.close();
    again.lock.release();
  });

  it('whose folder cannot be used says which folder, which user, and what to do', async () => {
    const folder = await StoreFolder.create();
    const missing = join(folder.folder, 'missing');
    expect(() => lockFolder(missing)).toThrow(
      expect.objectContaining({
        code: 'STORE_OPEN',
        retryable: true,
        hint: expect.stringContaining('ls -ld'),
      }),
    );
    expect(() => lockFolder(missing)).toThrow(`${missing} cannot be used by user ${userInfo().username}`);
  });

  it('that cannot be opened to the end lets its folder go, so that a later opening may succeed', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const other = new SqliteDatabase(folder.file);
    const made = other.prepare("SELECT sql FROM sqlite_schema WHERE name = 'tail'").pluck().get() as string;
    other.exec('DROP TABLE tail');
    for (let again = 0; again < 2; again++)
      await expect(store.reopen()).rejects.toThrow('no such table: tail');
    other.exec(made);
    other.close();
    await store.reopen();
    expect(await store.points()).toEqual([]);
  });

  it('of a newer program is refused and left as it is', async () => {
    const folder = await StoreFolder.create();
    const newer = new SqliteDatabase(folder.file);
    newer.pragma('journal_mode = WAL');
    newer.exec('CREATE TABLE of_the_future (x)');
    newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    const before = readFileSync(folder.file);
    await expect(folder.open()).rejects.toMatchObject({
      code: 'STORE_NEWER',
      message: expect.stringContaining(`form ${MIGRATIONS.length + 1}`),
      hint: expect.stringContaining('storage.path'),
    });
    expect(readFileSync(folder.file).equals(before)).toBe(true);
    expect(readdirSync(folder.folder).filter((name) => name.includes('damaged'))).toEqual([]);
  });

  const earlier = MIGRATIONS.slice(1).map((_, index) => index + 1);
  it.each(earlier)('of form %i is migrated with all that is in it', async (form) => {
    const folder = await StoreFolder.create();
    const old = new SqliteDatabase(folder.file);
    old.pragma('auto_vacuum = INCREMENTAL');
    old.pragma('journal_mode = WAL');
    initial(old);
    old.exec(`
      INSERT INTO points VALUES (1, 'a.b', 'degC'), (7, '${POINT}', 'degC');
      INSERT INTO readings VALUES (7, 1000, 20.5, 0, NULL), (7, 2000, 0, 6, 'sentinel'), (1, 1000, 1, 0, NULL);
      INSERT INTO waveforms VALUES (3, 1, 5000, 12000, 'g', 0, NULL, 4, 99, x'0000803f');
      INSERT INTO feature_names VALUES (1, '["rms"]');
      INSERT INTO features VALUES (7, 1000, 500, 1, x'000000000000f03f');
      INSERT INTO models VALUES (2, 'm', '1');
      INSERT INTO scores VALUES (7, 1000, 2, 0.5, 0.4, 1, NULL, 'c');
      INSERT INTO events VALUES (5, 'id', 'AlarmRaised', 1, '2026-01-01T00:00:00.000Z', 'gw', 'c', NULL, '{}');
      INSERT INTO cursors VALUES ('sync', 4);
      INSERT INTO outbox (sink, lane, kind, key, payload, is_json, created_ms) VALUES ('s', 'live', 'k', 'key', x'7b7d', 1, 1);
      INSERT INTO documents VALUES ('key', '1');
      INSERT INTO alarm_states VALUES ('hot', '${POINT}', '{"state":"unacknowledged"}');
      INSERT INTO dead_letters (subscriber, event, error, died_ms) VALUES ('sync', '{"id":"id"}', 'refused', 1);
    `);
    // The forms between were written by programs that took this way, too.
    for (const migrate of MIGRATIONS.slice(1, form)) migrate(old);
    old.pragma(`user_version = ${form}`);
    const columns = old.prepare('SELECT name FROM pragma_table_info(?)').pluck();
    expect(columns.all('waveforms').includes('packing')).toBe(form >= 4);
    expect(columns.all('chunks').length > 0).toBe(form >= 2);
    old.close();
    const store = await folder.open();
    expect(await store.counts()).toEqual({
      points: 2,
      readings: 3,
      waveforms: 1,
      features: 1,
      scores: 1,
      events: 1,
      outbox: 1,
    });
    expect((await store.readings(POINT, ...EVER)).map(({ value, unit }) => [value, unit])).toEqual([
      [20.5, 'degC'],
      [Number.NaN, 'degC'],
    ]);
    expect((await store.blocks('a.b', ...EVER)).map(({ samples }) => [...samples])).toEqual([[1]]);
    expect((await store.features(POINT, ...EVER)).map(({ features }) => features)).toEqual([{ rms: 1 }]);
    expect(await store.scores(POINT, ...EVER)).toHaveLength(1);
    expect((await store.journal.read(4, 10)).map(({ seq }) => seq)).toEqual([5]);
    expect(await store.journal.cursor('sync')).toBe(4);
    expect(await store.alarmStates()).toEqual([{ state: 'unacknowledged' }]);
    expect(await store.journal.deadLetters(10)).toMatchObject([{ subscriber: 'sync', error: 'refused' }]);
    expect(await store.document('key')).toBe(1);
    const [day] = await store.aggregate({
      point: POINT,
      fromMs: 0,
      toMs: 86_400_000,
      buckets: 1,
      widthMs: 86_400_000,
    });
    expect(day).toMatchObject({ level: 'day', max: Float64Array.of(20.5), bad: Float64Array.of(1) });
    // What was known before goes on under the same point.
    await store.write({ readings: [{ point: POINT, timeMs: 3, value: 1, unit: 'degC', quality: 'good' }] });
    expect(await store.counts()).toMatchObject({ points: 2, readings: 4 });
    expect(await store.integrityCheck()).toEqual([]);
  });

  it('is held by one store at a time', async () => {
    const folder = await StoreFolder.create();
    await folder.open();
    const other = openOther(folder);
    await expect(other).rejects.toMatchObject({ code: 'STORE_IN_USE' });
  });

  it('that cannot be made is one error with a hint', async () => {
    const folder = await StoreFolder.create();
    writeFileSync(join(folder.folder, 'file'), '');
    expect(() => openDatabase(join(folder.folder, 'file', 'sm-edge.db'), 'now')).toThrow(
      expect.objectContaining({ code: 'STORE_OPEN', hint: expect.stringContaining('storage.path') }),
    );
  });
});

async function openOther({ folder }: StoreFolder) {
  return (async () => openDatabase(join(folder, 'sm-edge.db'), 'now'))();
}

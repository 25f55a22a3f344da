import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  dropDatabaseFromPageCache,
  dropFromPageCache,
  type ForgetWay,
  forgetByDd,
  forgetByDirectIo,
  forgetByDropCaches,
} from '#sm/storage/page-cache.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { canFailDisks, FailingDisk } from '../support/failing-disk.js';
import { findProgram, onPath, requirePeer } from '../support/require.js';
import { soakCount, soakResult, soakTimeoutMs } from '../support/soak.js';

/** As long as a frame of SQLite's log, so that records do not end where blocks do. */
const RECORD_BYTES = 4_120;

const record = (index: number): Buffer => Buffer.alloc(RECORD_BYTES, `record ${index} `);

/** `npm run soak -- fsync --count 40` also counts what is lost where the kernel is not made to forget. */
describe.skipIf(!(await canFailDisks()))('a file that is written again after a write has failed', () => {
  let disk: FailingDisk;

  beforeEach(async () => {
    disk = await FailingDisk.make(48);
  });

  afterEach(() => disk.remove());

  /** Records that fdatasync took and that are not on the disk, after one short failure in the midst of them. */
  async function lostRecords(round: number, way: ForgetWay | undefined): Promise<number> {
    const path = join(disk.folder, `file-${round}-${way?.name}`);
    const file = openSync(path, 'wx');
    let taken = 0;
    const append = () => {
      const count = 1 + (taken % 8);
      for (let index = taken; index < taken + count; index++)
        writeSync(file, record(index), 0, RECORD_BYTES, index * RECORD_BYTES);
      fdatasyncSync(file);
      taken += count;
    };
    try {
      while (taken < 60 + (round % 7)) append();
      disk.fail();
      expect(append).toThrow('EIO');
      disk.heal();
      if (way !== undefined) expect(dropFromPageCache(path, undefined, [way])).toBe(true);
      // Where ext4 has given the disk up nothing is taken any more, and nothing can be lost.
      for (let more = 0; more < 5; more++) {
        try {
          append();
        } catch {
          break;
        }
      }
    } finally {
      closeSync(file);
    }
    await disk.repair();
    const bytes = readFileSync(path);
    return Array.from({ length: taken }, (_, index) => index).filter(
      (index) => !bytes.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES).equals(record(index)),
    ).length;
  }

  it.each([
    ['dd', forgetByDd, 2],
    ['direct input and output', forgetByDirectIo, 2],
    ['drop_caches', forgetByDropCaches, 1],
  ])(
    'has what was taken then, once the kernel was made to forget what it holds of it: %s',
    async (_, way, usualRounds) => {
      // The whole machine forgets with drop_caches, others at work on it included.
      const rounds = way === forgetByDropCaches ? usualRounds : soakCount(usualRounds);
      let lost = 0;
      let roundsThatLose = 0;
      for (let round = 0; round < rounds; round++) {
        lost += await lostRecords(round, way);
        if (rounds > 2 && (await lostRecords(round, undefined)) > 0) roundsThatLose++;
      }
      soakResult({
        way: way.name,
        failures: rounds,
        lost,
        failuresThatLoseWithoutForgetting: roundsThatLose,
      });
      expect(lost).toBe(0);
    },
    soakTimeoutMs(240_000),
  );
});

describe.skipIf(!(await canFailDisks()))('a database whose log could not be written back', () => {
  let disk: FailingDisk;

  beforeEach(async () => {
    disk = await FailingDisk.make(48);
  });

  afterEach(() => disk.remove());

  it('has every commit that was acknowledged, before and after, once log and database were read past the memory', async () => {
    const path = join(disk.folder, 'sm-edge.db');
    const acknowledged: number[] = [];
    const open = () => {
      const db = new SqliteDatabase(path);
      for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'wal_autocheckpoint = 0'])
        db.pragma(pragma);
      db.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, bytes BLOB)');
      const insert = db.prepare('INSERT INTO rows (id, bytes) VALUES (?, ?)');
      return { db, add: (id: number) => acknowledged.push(insert.run(id, record(id)) && id) };
    };
    const before = open();
    for (let id = 0; id < 60; id++) before.add(id);
    disk.fail();
    expect(() => before.db.pragma('wal_checkpoint(TRUNCATE)')).toThrow('disk I/O error');
    expect(() => before.add(60)).toThrow('disk I/O error');
    disk.heal();
    // As the store closes: the log is left as it is.
    const keeper = new SqliteDatabase(path, { readonly: true });
    keeper.pragma('user_version');
    before.db.close();
    keeper.close();
    expect(dropDatabaseFromPageCache(path, [forgetByDirectIo])).toBe(true);
    // Where ext4 has given the disk up nothing more is taken, and nothing can be lost.
    if (disk.isWritable) {
      const after = open();
      for (let id = 100; id < 160; id++) after.add(id);
      after.db.close();
    }
    await disk.repair();
    const db = new SqliteDatabase(path, { readonly: true });
    const ids = db.prepare('SELECT id FROM rows').pluck().all() as number[];
    const findings = db.pragma('integrity_check', { simple: true });
    db.close();
    expect(findings).toBe('ok');
    expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('is not relied on where nothing makes the kernel forget', () => {
    expect(dropDatabaseFromPageCache(join(disk.folder, 'sm-edge.db'), [() => false])).toBe(false);
  });
});

const hasBusybox = requirePeer('busybox', onPath('busybox'), 'scripts/test-servers.sh');

describe.skipIf(!hasBusybox)('on a system of busybox', () => {
  const PATH = process.env.PATH;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sm-edge-busybox-'));
    symlinkSync(findProgram('busybox')!, join(folder, 'dd'));
    process.env.PATH = folder;
  });

  afterEach(() => {
    process.env.PATH = PATH;
    rmSync(folder, { recursive: true });
  });

  it('dd is seen to be unable, and the file is read past the memory', () => {
    const path = join(folder, 'file');
    writeFileSync(path, record(1));
    expect(forgetByDd(path)).toBe(false);
    expect(dropFromPageCache(path, undefined, [forgetByDd])).toBe(false);
    expect(dropFromPageCache(path, undefined, [forgetByDd, forgetByDirectIo])).toBe(true);
    expect(readFileSync(path).equals(record(1))).toBe(true);
  });
});

describe('reading past the memory', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sm-edge-direct-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('changes nothing of a file on a sound disk, whatever its length, zeros at its end included', () => {
    const path = join(folder, 'file');
    for (const size of [0, 1, 4_095, 4_096, 4_097, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 8_193, 3 * 2 ** 20]) {
      const bytes = randomBytes(size);
      bytes.fill(0, Math.floor(size / 3), Math.floor(size / 2)).fill(0, size - Math.floor(size / 10));
      writeFileSync(path, bytes);
      expect(dropFromPageCache(path, undefined, [forgetByDirectIo])).toBe(true);
      expect(readFileSync(path).equals(bytes), `${size} bytes`).toBe(true);
      const stretches = [{ at: 4_096, bytes: 4_096 }];
      expect(dropFromPageCache(path, stretches, [forgetByDirectIo])).toBe(true);
      expect(readFileSync(path).equals(bytes), `a stretch of ${size} bytes`).toBe(true);
    }
  });

  it('says so where there is no file', () => {
    expect(dropFromPageCache(join(folder, 'none'), undefined, [forgetByDd, forgetByDirectIo])).toBe(false);
  });
});

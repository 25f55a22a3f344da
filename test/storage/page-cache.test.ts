import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropFromPageCache } from '#sm/storage/page-cache.js';
import { canFailDisks, FailingDisk } from '../support/failing-disk.js';
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
  async function lostRecords(round: number, forgets: boolean): Promise<number> {
    const path = join(disk.folder, `file-${round}-${forgets}`);
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
      if (forgets) dropFromPageCache(path);
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

  it(
    'has what was taken then, once the kernel was made to forget what it holds of it',
    async () => {
      const rounds = soakCount(2);
      const isSoak = rounds > 2;
      let lost = 0;
      let roundsThatLose = 0;
      for (let round = 0; round < rounds; round++) {
        lost += await lostRecords(round, true);
        if (isSoak && (await lostRecords(round, false)) > 0) roundsThatLose++;
      }
      soakResult({ failures: rounds, lost, failuresThatLoseWithoutForgetting: roundsThatLose });
      expect(lost).toBe(0);
    },
    soakTimeoutMs(60_000),
  );
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { eventually } from '../support/daemon.js';
import { canMount, SmallDisk } from '../support/disks.js';
import { canFailDisks, FailingDisk } from '../support/failing-disk.js';
import { soakCount, soakResult, soakTimeoutMs } from '../support/soak.js';
import { KilledWriter, randomMoment } from './kills.js';

const mountable = canMount();
const canFail = await canFailDisks();
const random = seededRandom(11);
const moment = (mostMs: number) => randomMoment(random, mostMs);
const NOTHING_LOST = {
  readingsLost: 0,
  eventsLost: 0,
  transitionsLost: 0,
  eventsNeverDelivered: 0,
  outOfOrder: 0,
  damaged: 0,
};

/** `npm run soak -- kill|clock|full|readonly|power` runs one of these by its name. */
describe('kill -9 at random moments under 20,000 readings and 50 events a second', () => {
  let folder: string;
  let disk: SmallDisk | FailingDisk | undefined;
  let writer: KilledWriter;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sm-edge-kill-'));
  });

  afterEach(async () => {
    await writer.kill();
    await disk?.remove();
    disk = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const takenAgain = async () => {
    const before = writer.events;
    await eventually('events are taken again', () => writer.events > before || undefined);
  };

  const finish = async (kills: number) => {
    const totals = await writer.finish();
    soakResult(totals);
    expect(writer.troubles).toEqual([]);
    expect(totals).toMatchObject({ ...NOTHING_LOST, kills });
    expect(totals.readingsAcknowledged).toBeGreaterThan(kills * 100);
    expect(totals.eventsAcknowledged).toBeGreaterThan(0);
  };

  it.each([
    ['kill', 'steady', 1],
    ['clock', 'jumping', 1],
  ] as const)(
    '%s: loses nothing that was acknowledged, with a clock that is %s',
    async (_, mode, short) => {
      const kills = soakCount(short);
      writer = new KilledWriter(folder, random);
      for (let kill = 0; kill < kills; kill++) {
        await writer.start(mode);
        if (kill === 0) await takenAgain();
        await moment(700);
        await writer.kill();
        writer.check();
      }
      await finish(kills);
    },
    soakTimeoutMs(240_000),
  );

  it.skipIf(!mountable)(
    'full: loses nothing on a disk that is full again and again',
    async () => {
      const kills = soakCount(1);
      const small = new SmallDisk('tmpfs', 96);
      disk = small;
      writer = new KilledWriter(join(disk.folder, 'data'), random);
      for (let kill = 0; kill < kills; kill++) {
        // Every other start is on a disk that is full.
        if (kill % 2 === 1) small.fill();
        await writer.start('steady');
        const before = writer.diskErrors;
        if (kill === 0) await takenAgain();
        await moment(300);
        small.fill();
        if (kill === 0) await eventually('the disk is full', () => writer.diskErrors > before || undefined);
        await moment(300);
        // The first time at least it comes back before the kill.
        if (kill === 0 || random() < 0.7) {
          small.empty();
          await takenAgain();
          await moment(200);
        }
        await writer.kill();
        small.empty();
        writer.check();
      }
      await finish(kills);
    },
    soakTimeoutMs(240_000),
  );

  it.skipIf(!canFail)(
    'readonly: loses nothing on a disk that fails, comes back read-only, and is writable again',
    async () => {
      const kills = soakCount(1);
      const failing = await FailingDisk.make(96);
      disk = failing;
      writer = new KilledWriter(join(disk.folder, 'data'), random);
      for (let kill = 0; kill < kills; kill++) {
        await writer.start('steady');
        await moment(300);
        const before = writer.diskErrors;
        failing.fail();
        await eventually('the disk takes nothing', () => writer.diskErrors > before || undefined);
        await writer.kill();
        await failing.repair();
        writer.check();
        if (!failing.remount('ro')) throw new Error('the disk cannot be made read-only');
        await writer.start('steady');
        const errors = writer.diskErrors;
        await eventually('the disk takes nothing', () => writer.diskErrors > errors || undefined);
        if (!failing.remount('rw')) throw new Error('the disk cannot be made writable');
        await takenAgain();
        await moment(200);
        await writer.kill();
        writer.check();
      }
      await finish(2 * kills);
    },
    soakTimeoutMs(240_000),
  );

  it.skipIf(!canFail)(
    'power: loses nothing on a disk that fails for moments and then loses its power, with what no flush had made it keep',
    async () => {
      const kills = soakCount(2);
      const failing = await FailingDisk.make(96);
      disk = failing;
      writer = new KilledWriter(join(disk.folder, 'data'), random);
      for (let kill = 0; kill < kills; kill++) {
        await writer.start('steady');
        if (kill === 0) await takenAgain();
        await moment(300);
        // After the last of several moments ext4 may have given up until it is mounted anew.
        for (let blink = 0; (kill === 0 && blink === 0) || random() < 0.6; blink++) {
          failing.fail();
          await moment(100);
          failing.heal();
          // The power may go just when the disk is back.
          if (kill > 0 && random() < 0.5) {
            await moment(150);
            break;
          }
          if (!failing.isWritable) break;
          await takenAgain();
          await moment(200);
        }
        failing.cutPower();
        await writer.kill();
        await failing.repair();
        writer.check();
      }
      await finish(kills);
    },
    soakTimeoutMs(240_000),
  );
});

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import type { ErrorRecord } from '#sm/base/errors.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { budgetView, diskUsage } from '#sm/storage/disk-usage.js';
import { Store } from '#sm/storage/store.js';
import { canMount, SmallDisk } from '../support/disks.js';
import { canFailDisks, FailingDisk } from '../support/failing-disk.js';
import { until } from '../support/until.js';

const MIB = 2 ** 20;
const mountable = canMount();
const canFail = await canFailDisks();

describe('one budget over the data folder', () => {
  const usage = { database: 50 * MIB, other: 20 * MIB, setAside: 0, free: 900 * MIB, total: 2_000 * MIB };

  it.each([
    [100, 50, 'good'],
    [100, 61, 'warn'],
    [100, 71, 'shed'],
    [100, 81, 'full'],
  ])('of %d MiB with 20 MiB of other files and %d MiB in the database: %s', (budget, database, level) => {
    expect(budgetView(usage, database * MIB, budget * MIB).level).toBe(level);
  });

  it('is less where the disk has less, and leaves something to the others', () => {
    const small = { ...usage, free: 80 * MIB };
    const { limitBytes, level } = budgetView(small, 50 * MIB, 8_192 * MIB);
    expect(limitBytes).toBe((50 + 20 + 80 - 64) * MIB);
    expect(level).toBe('warn');
  });

  it('does not shed live data for what was set aside', () => {
    expect(budgetView({ ...usage, setAside: 500 * MIB }, 50 * MIB, 100 * MIB).level).toBe('good');
  });
});

describe.skipIf(!mountable)('a store on a small disk', () => {
  let disk: SmallDisk | FailingDisk;
  let store: Store | undefined;
  const outcomes: (ErrorRecord | undefined)[] = [];
  const metrics = new Metrics();
  const random = seededRandom(5);

  const open = async () => {
    store = await Store.open({
      folder: join(disk.folder, 'data'),
      clock: systemClock,
      metrics,
      onDisk: (error) => outcomes.push(error),
    });
    return store;
  };
  const reading = (index: number) => ({
    point: 'm1.temperature',
    timeMs: 1_700_000_000_000 + index,
    value: random(),
    unit: 'degC',
    quality: 'good' as const,
  });
  const block = (index: number) => ({
    point: 'm1.acceleration',
    startTimeMs: 1_700_000_000_000 + 1000 * index,
    sampleRateHz: 25_600,
    unit: 'g',
    samples: Float32Array.from({ length: 25_600 }, () => random() - 0.5),
    quality: 'good' as const,
  });

  afterEach(async () => {
    await store?.close().catch(() => undefined);
    store = undefined;
    outcomes.length = 0;
    await disk.remove();
  });

  it('that is full: refuses what is acknowledged, keeps the rest in memory, and writes it when there is room', async () => {
    const small = new SmallDisk('tmpfs', 32);
    disk = small;
    const opened = await open();
    await opened.write({ readings: [reading(0)] });
    small.fill();
    let index = 1;
    await expect(
      (async () => {
        for (; index < 200; index++) await opened.write({ blocks: [block(index)] });
      })(),
    ).rejects.toMatchObject({ code: 'STORE_FULL', retryable: true });
    // The reserve was given back; the disk is filled again by somebody else.
    small.fill();
    await opened.write({ blocks: [block(index)] }).catch(() => undefined);
    small.fill();
    for (let kept = 0; kept < 50; kept++)
      await opened.save({ readings: [reading(1_000 + kept)], blocks: [block(1_000 + kept)] });
    const held = await metrics.registry.getSingleMetricAsString('sm_edge_storage_held_bytes');
    expect(Number(held.split(' ').at(-1))).toBeGreaterThan(MIB);
    expect(outcomes.at(-1)?.code).toBe('STORE_FULL');

    small.empty();
    await until(async () => {
      const found = await opened.readings('m1.temperature', -Infinity, Infinity, 1_000);
      expect(found).toHaveLength(51);
    });
    expect(outcomes.at(-1)).toBeUndefined();
    expect(await opened.integrityCheck()).toEqual([]);
  });

  it('that is full at the start: opens by its reserve, and sheds the oldest waveforms until there is room', async () => {
    const small = new SmallDisk('tmpfs', 96);
    disk = small;
    let opened = await open();
    for (let index = 0; index < 150; index++) await opened.write({ blocks: [block(index)] });
    await opened.retention(retention(60 * MIB));
    await opened.close();
    expect(existsSync(join(disk.folder, 'data', 'sm-edge.reserve'))).toBe(true);
    small.fill();
    opened = await open();
    const before = (await opened.counts()).waveforms;
    const usage = await diskUsage(join(disk.folder, 'data'));
    const { databaseBytes, level } = budgetView(usage, usage.database, 8_192 * MIB);
    expect(level).toBe('full');
    const { shed } = await opened.retention(retention(databaseBytes));
    expect(shed.waveforms).toBeGreaterThan(0);
    expect((await opened.counts()).waveforms).toBeLessThan(before);
    await opened.write({ readings: [reading(5)] });
  });

  it.skipIf(!canFail)(
    'that becomes read-only: goes on reading, keeps what comes in memory, writes it once the disk is back',
    async () => {
      const failing = await FailingDisk.make(48);
      disk = failing;
      let opened = await open();
      const found = () => opened.readings('m1.temperature', -Infinity, Infinity, 1_000);
      await opened.write({ readings: [reading(0)] });
      failing.fail();
      await opened.save({ readings: [reading(1)] });
      expect(outcomes.at(-1)?.retryable).toBe(true);
      expect(await found()).toHaveLength(1);
      await opened.close();

      // The disk comes back read-only, as a damaged one is mounted at a start.
      await failing.repair();
      expect(failing.remount('ro')).toBe(true);
      opened = await open();
      expect(await found()).toHaveLength(1);
      for (let index = 2; index < 20; index++) await opened.save({ readings: [reading(index)] });
      expect(outcomes.at(-1)?.code).toBe('STORE_READONLY');
      expect(failing.remount('rw')).toBe(true);
      // What the daemon does every few seconds while the disk takes nothing.
      await opened.reopen();
      await until(async () => expect(await found()).toHaveLength(19));
    },
  );
});

describe.skipIf(!canFail)('a disk whose medium fails for a moment', () => {
  let disk: FailingDisk;

  beforeEach(async () => {
    disk = await FailingDisk.make(48);
  });

  afterEach(() => disk.remove());

  it('forgets with its power what no flush has made it keep', async () => {
    const write = (name: string, ...flags: string[]) =>
      execFileSync('dd', [
        'if=/dev/zero',
        `of=${join(disk.folder, name)}`,
        ...['bs=4096', 'count=1', 'conv=notrunc', 'status=none'],
        ...flags,
      ]);
    for (const name of ['kept', 'lost']) {
      writeFileSync(join(disk.folder, name), Buffer.alloc(4_096, 0x55), { flush: true });
      execFileSync('sync');
    }
    write('kept', 'oflag=direct,sync');
    write('lost', 'oflag=direct');
    disk.cutPower();
    await disk.repair();
    expect(readFileSync(join(disk.folder, 'kept'))[0]).toBe(0);
    expect(readFileSync(join(disk.folder, 'lost'))[0]).toBe(0x55);
  });

  it('is not written to before the file is opened anew, for the kernel would lose what goes to the same place', async () => {
    const folder = join(disk.folder, 'data');
    const open = () => Store.open({ folder, clock: systemClock, metrics: new Metrics() });
    const write = (index: number) =>
      store.write({
        readings: [
          { point: 'm1.temperature', timeMs: 1_000 + index, value: index, unit: 'degC', quality: 'good' },
        ],
      });
    let store = await open();
    try {
      await write(1);
      disk.fail();
      await expect(write(2)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
      disk.heal();
      await expect(write(2)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await store.readings('m1.temperature', 0, 2_000, 10)).toHaveLength(1);
      await store.reopen();
      await write(3);
      disk.cutPower();
      await store.close();
      await disk.repair();
      store = await open();
      const found = await store.readings('m1.temperature', 0, 2_000, 10);
      expect(found.map(({ value }) => value)).toEqual(expect.arrayContaining([1, 3]));
      expect(await store.integrityCheck()).toEqual([]);
    } finally {
      await store.close();
    }
  });
});

describe.skipIf(!mountable)('a store whose disk is read-only at the start', () => {
  it('is opened after a clean stop, is read, and takes data once it is writable', async () => {
    const disk = new SmallDisk('ext4', 32);
    const folder = join(disk.folder, 'data');
    const open = () => Store.open({ folder, clock: systemClock, metrics: new Metrics() });
    const readings = (index: number) => [
      {
        point: 'm1.temperature',
        timeMs: 1_000 + index,
        value: index,
        unit: 'degC',
        quality: 'good' as const,
      },
    ];
    let store = await open();
    try {
      await store.write({ readings: readings(1) });
      await store.close();
      expect(disk.remount('ro')).toBe(true);
      store = await open();
      expect(await store.readings('m1.temperature', 0, 2_000, 10)).toHaveLength(1);
      await expect(store.write({ readings: readings(2) })).rejects.toMatchObject({ code: 'STORE_READONLY' });
      expect(disk.remount('rw')).toBe(true);
      await store.reopen();
      await store.write({ readings: readings(2) });
    } finally {
      await store.close();
      disk.remove();
    }
  });
});

const retention = (budgetBytes: number) => ({
  nowMs: 1_700_000_000_000,
  budgetBytes,
  keepMs: {
    waveforms: 1e12,
    readings: 1e12,
    features: 1e12,
    events: 1e12,
    minutes: 1e12,
    hours: 1e12,
    days: 1e12,
  },
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { copyPages, digestsOf } from '#sm/storage/backup/page-copy.js';
import { integrityFindings } from '#sm/storage/integrity.js';
import type { Store } from '#sm/storage/store.js';
import { eventually, smEdge } from '../support/daemon.js';
import { canMount, SmallDisk } from '../support/disks.js';
import { canFailDisks, FailingDisk } from '../support/failing-disk.js';
import { soakCount, soakResult, soakTimeoutMs } from '../support/soak.js';
import { StoreFolder } from '../support/store.js';
import { Stored } from '../support/stored.js';
import { randomMoment } from './kills.js';

const MIB = 2 ** 20;
const canFail = await canFailDisks();
const random = seededRandom(5);

/** Noise, which nothing compresses: the file grows by about as much. */
const noise = (number: number) => ({
  point: 'm1.de.acceleration',
  startTimeMs: 1_700_000_000_000 + number * 10_000,
  sampleRateHz: 25_600,
  unit: 'g',
  samples: Float32Array.from({ length: 65_536 }, () => random() - 0.5),
  quality: 'good' as const,
});

const reading = (index: number) => ({
  point: 'm1.temperature',
  timeMs: 1_700_000_000_000 + index,
  value: index,
  unit: 'degC',
  quality: 'good' as const,
});

/** `npm run soak -- backup` runs the first of these with 200 kills. */
describe('a backup that is cut off', () => {
  let folder: StoreFolder;
  let store: Store;
  let to: string;
  let child: ChildProcess | undefined;
  let disk: SmallDisk | FailingDisk | undefined;

  const grow = async (blocks: number) => {
    for (let from = 0; from < blocks; from += 8)
      await store.write({ blocks: Array.from({ length: 8 }, (_, index) => noise(from + index)) });
  };
  const args = (more: readonly string[] = []) => [
    'backup',
    '--data',
    folder.folder,
    '--to',
    to,
    '--json',
    ...more,
  ];
  const spawned = (env: NodeJS.ProcessEnv = {}) => {
    child = spawn(process.execPath, ['bin/sm-edge.js', ...args()], {
      stdio: 'ignore',
      cwd: join(import.meta.dirname, '../..'),
      env: { ...process.env, ...env },
    });
    return child;
  };
  /** Some of it is copied, or it is done already: where this process was held up, that may be the first it sees. */
  const midway = (one: ChildProcess, partial: string, bytes: number) =>
    eventually('something is copied', () => {
      if (one.exitCode !== null) return true;
      return (statSync(partial, { throwIfNoEntry: false })?.size ?? 0) > bytes || undefined;
    });
  const killed = async (one: ChildProcess) => {
    if (one.exitCode !== null || one.signalCode !== null) return;
    const closed = once(one, 'close');
    one.kill('SIGKILL');
    await closed;
  };

  beforeEach(async () => {
    folder = await StoreFolder.create();
    store = await folder.open();
    to = await mkdtemp(join(tmpdir(), 'sm-edge-backup-to-'));
  });

  afterEach(async () => {
    if (child !== undefined) await killed(child);
    await disk?.remove();
    disk = undefined;
    await rm(to, { recursive: true, force: true });
  });

  it.each([
    ['plain', {}],
    ['encrypted', { SM_EDGE_BACKUP_PASSPHRASE: 'correct horse battery' }],
  ] as const)(
    '%s: goes on where it stopped, and what bears a name is whole, wherever it is killed',
    async (form, env) => {
      const kills = soakCount(2);
      await grow(48);
      let written = 0;
      const partial = join(form === 'plain' ? to : folder.folder, 'sm-edge-gateway.db.partial');
      // Of runs that were killed in their last moments; and one of another gateway, which may still be at it.
      const other = 'sm-edge-gateway-b-2026-01-01T00-00-00-000Z.db.gz.age.partial';
      for (const ending of ['.db.json', '.db.gz.age.json', '.db.gz.age.partial'])
        writeFileSync(join(to, `sm-edge-gateway-2026-01-01T00-00-00-000Z${ending}`), 'cut off');
      writeFileSync(join(to, other), 'not ours');
      let whole = 0;
      for (let kill = 0; kill < kills; kill++) {
        const running = spawned(env);
        // The first one at least is hit in the midst of it.
        if (kill === 0) await midway(running, partial, 4 * MIB);
        else await randomMoment(random, 2_500);
        await store.write({ readings: Array.from({ length: 50 }, (_, index) => reading(written + index)) });
        written += 50;
        await killed(running);
        const named = readdirSync(to).filter((name) => /\.db(\.gz\.age)?$/.test(name));
        for (const name of named) {
          const checked = await smEdge(['verify', join(to, name), '--json'], env);
          expect(JSON.parse(checked.stdout)).toMatchObject({ ok: true });
          await rm(join(to, name));
          await rm(join(to, `${name}.json`), { force: true });
          whole++;
        }
      }
      const { code, stdout, stderr } = await smEdge(args(), env);
      expect(code, stderr).toBe(0);
      const answer = JSON.parse(stdout);
      expect(answer.database.rows).toMatchObject({ readings: written, waveforms: 48 });
      expect(readdirSync(to).sort()).toEqual([answer.file, `${answer.file}.json`, other]);
      expect(existsSync(partial)).toBe(false);
      if (kills < 10 && whole === 0) expect(answer.keptBytes).toBeGreaterThan(0);
      await folder.close();
      const restored = await smEdge(['restore', answer.path, '--data', folder.folder, '--json'], env);
      expect(JSON.parse(restored.stdout)).toMatchObject({ ok: true, rows: { readings: written } });
      soakResult({
        backup: form,
        kills,
        finishedBefore: whole,
        keptBytes: answer.keptBytes,
        bytes: answer.database.bytes,
      });
    },
    soakTimeoutMs(240_000),
  );

  it.skipIf(!canMount())('goes on after the disk was full', async () => {
    await grow(40);
    const small = new SmallDisk('tmpfs', 14);
    disk = small;
    to = join(disk.folder, 'to');
    small.fill();
    expect(JSON.parse((await smEdge(args())).stdout).error).toMatchObject({ code: 'BACKUP_NO_SPACE' });
    small.empty();
    // Full in the midst of it: what is there stays.
    writeFileSync(join(disk.folder, 'ballast'), Buffer.alloc(8 * MIB));
    const copy = join(to, 'sm-edge-gateway.db.partial');
    const progress = new Float64Array(new SharedArrayBuffer(16));
    expect(() => copyPages({ from: folder.file, to: copy, progress })).toThrow('ENOSPC');
    await rm(join(disk.folder, 'ballast'));
    const last = await smEdge(args());
    expect(last.code, last.stdout).toBe(0);
    expect(JSON.parse(last.stdout).keptBytes).toBeGreaterThanOrEqual(4 * MIB);
    expect((await smEdge(['verify', JSON.parse(last.stdout).path])).code).toBe(0);
  });

  it.skipIf(!canFail)(
    'goes on after the medium failed, and what is done is on it when the power goes',
    async () => {
      await grow(80);
      const failing = await FailingDisk.make(96);
      disk = failing;
      to = join(failing.folder, 'to');
      const partial = join(to, 'sm-edge-gateway.db.partial');
      let code: number | null = 0;
      // Where this process was held up the backup may be done before the disk fails: then it is begun anew.
      while (code === 0) {
        for (const name of existsSync(to) ? readdirSync(to) : []) await rm(join(to, name));
        const running = spawned();
        const ended = once(running, 'exit');
        await midway(running, partial, 2 * MIB);
        failing.fail();
        [code] = (await ended) as [number | null];
        failing.heal();
      }
      // What could not be written is still in the memory of the kernel, unless ext4 wants to be mounted anew.
      if (!failing.isWritable) await failing.repair();
      const last = await smEdge(args());
      expect(last.code, last.stdout).toBe(0);
      failing.cutPower();
      await failing.repair();
      const checked = await smEdge(['verify', JSON.parse(last.stdout).path, '--json']);
      expect(JSON.parse(checked.stdout), checked.stdout).toMatchObject({ ok: true });
    },
  );

  it('copies one moment, however often the store changed under it, and mends what the target lost', async () => {
    await grow(16);
    const copy = join(to, 'copy.db');
    const progress = new Float64Array(new SharedArrayBuffer(16));
    let written = 0;
    let isCopying = true;
    const writing = (async () => {
      for (; isCopying; written += 50)
        await store.write({ readings: Array.from({ length: 50 }, (_, index) => reading(written + index)) });
    })();
    for (let round = 0; round < 3; round++) {
      // Every block of the first pass is of another moment.
      const { keptBytes, bytes } = copyPages({ from: folder.file, to: copy, progress, holdMs: 0 });
      expect(integrityFindings(copy)).toEqual([]);
      const stored = new Stored(copy);
      expect(stored.readings().length % 50).toBe(0);
      stored.close();
      expect(statSync(copy).size).toBe(bytes);
      // After round 1 there are no digests, and it begins anew.
      if (round === 1) expect(keptBytes).toBeGreaterThan(bytes / 2);
      await store.write({
        readings: [],
        documents: [{ key: `round:${round}`, document: 'x'.repeat(100_000) }],
      });
      await store.seal();
      // A block that the digests promise and the target lost.
      const damaged = readFileSync(copy);
      damaged.fill(0, 128 * 1024, 140 * 1024);
      writeFileSync(copy, damaged);
      if (round === 1) writeFileSync(digestsOf(copy), 'no digests');
    }
    isCopying = false;
    await writing;
    copyPages({ from: folder.file, to: copy, progress });
    const stored = new Stored(copy);
    expect(stored.readings()).toHaveLength(written);
    stored.close();
  });
});

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { Store } from '#sm/storage/store.js';
import { smEdge } from '../support/daemon.js';

const reading = (index: number) => ({
  point: 'm1.temperature',
  timeMs: 1_700_000_000_000 + index,
  value: index,
  unit: 'degC',
  quality: 'good' as const,
});

describe('backup, verify and restore', () => {
  let folder: string;
  let store: Store;
  const data = () => join(folder, 'data');
  const to = () => join(folder, 'usb');
  const open = () => Store.open({ folder: data(), clock: systemClock, metrics: new Metrics() });
  const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const result = await smEdge([...args, '--data', data(), '--json'], env);
    return { ...result, answer: JSON.parse(result.stdout) };
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sm-edge-backup-'));
    store = await open();
    await store.write({ readings: Array.from({ length: 5_000 }, (_, index) => reading(index)) });
  });

  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('copies one moment of a store that is written to, and restores it', async () => {
    let written = 5_000;
    let goOn = true;
    const writing = (async () => {
      while (goOn) {
        await store.write({ readings: Array.from({ length: 50 }, (_, index) => reading(written + index)) });
        written += 50;
      }
    })();
    const { code, answer } = await run(['backup', '--to', to()]);
    goOn = false;
    await writing;
    expect(code).toBe(0);
    const rows = answer.database.rows.readings as number;
    expect(rows).toBeGreaterThanOrEqual(5_000);
    expect(rows).toBeLessThan(written);
    // A commit is in it whole or not at all.
    expect(rows % 50).toBe(0);
    expect((await run(['verify', answer.path])).answer).toMatchObject({ ok: true, manifest: true });
    expect((await run(['verify'])).answer.ok).toBe(true);

    const refused = await run(['restore', answer.path]);
    expect(refused).toMatchObject({ code: 1, answer: { error: { code: 'STORE_IN_USE' } } });
    await store.close();
    const restored = await run(['restore', answer.path]);
    expect(restored.answer).toMatchObject({ ok: true, rows: { readings: rows } });
    expect(readdirSync(data())).toContain(restored.answer.setAside.split('/').at(-1));
    store = await open();
    expect((await store.readings('m1.temperature', -Infinity, Infinity, 1e6)).length).toBe(rows);
    expect(await store.damagedFiles()).toEqual([]);
  });

  it('encrypts by a passphrase; opens with it alone, and notices a changed byte', async () => {
    const right = { SM_EDGE_BACKUP_PASSPHRASE: 'correct horse battery' };
    const { code, answer } = await run(['backup', '--to', to()], right);
    expect(code).toBe(0);
    expect(answer).toMatchObject({ encrypted: true });
    expect(readdirSync(to()).sort()).toEqual([answer.file, `${answer.file}.json`]);
    expect(readdirSync(data()).filter((name) => name.includes('partial'))).toEqual([]);
    expect(readFileSync(answer.path).includes('SQLite format')).toBe(false);
    const wrong = await run(['verify', answer.path], { SM_EDGE_BACKUP_PASSPHRASE: 'something else' });
    expect(wrong).toMatchObject({ code: 1, answer: { error: { code: 'BACKUP_LOCKED' } } });
    expect(wrong.answer.error.message).toContain('with the passphrase or identity that was given');
    const nothing = await run(['verify', answer.path], { SM_EDGE_BACKUP_PASSPHRASE: '' });
    expect(nothing).toMatchObject({ code: 1, answer: { error: { code: 'BACKUP_LOCKED' } } });
    expect(nothing.answer.error.message).toContain('nothing was given to open it');
    expect((await run(['verify', answer.path], right)).answer.ok).toBe(true);
    await store.close();
    expect((await run(['restore', answer.path], right)).answer.rows.readings).toBe(5_000);

    const bytes = readFileSync(answer.path);
    bytes[bytes.length - 1_000]! ^= 1;
    writeFileSync(answer.path, bytes);
    const changed = await run(['verify', answer.path], right);
    expect(changed).toMatchObject({ code: 1, answer: { error: { code: 'BACKUP_DAMAGED' } } });
    const before = readFileSync(join(data(), 'sm-edge.db'));
    expect((await run(['restore', answer.path], right)).answer.error.code).toBe('BACKUP_DAMAGED');
    expect(readFileSync(join(data(), 'sm-edge.db'))).toEqual(before);
  });

  it('encrypts for a recipient whose identity the gateway does not have', async () => {
    const identity = await generateX25519Identity();
    const { answer } = await run([
      'backup',
      '--to',
      to(),
      '--recipient',
      await identityToRecipient(identity),
    ]);
    expect(answer).toMatchObject({ ok: true, encrypted: true });
    const file = join(folder, 'key.txt');
    writeFileSync(file, `# a comment\n${identity}\n`);
    expect((await run(['verify', answer.path, '--identity', file])).answer.ok).toBe(true);
    expect((await run(['verify', answer.path])).code).toBe(1);
  });

  it('keeps as many as it is told, and never a partial one', async () => {
    for (let round = 0; round < 2; round++) await run(['backup', '--to', to(), '--keep', '1']);
    expect(readdirSync(to()).filter((name) => name.endsWith('.db'))).toHaveLength(1);
    expect(readdirSync(to()).filter((name) => name.endsWith('.json'))).toHaveLength(1);
    expect((await run(['verify', join(to(), 'none.db')])).code).toBe(2);
  });

  it('says where it cannot be: a target that no folder can be made at, a file that is not there', async () => {
    writeFileSync(join(folder, 'file'), '');
    const blocked = await run(['backup', '--to', join(folder, 'file', 'below')]);
    expect(blocked).toMatchObject({ code: 1, answer: { error: { code: 'BACKUP_FAILED' } } });
    expect(blocked.answer.error.message).toContain(join(folder, 'file', 'below'));
    expect(blocked.answer.error.hint).toContain('mounted');
    const none = await run(['restore', join(to(), 'none.db')]);
    expect(none).toMatchObject({ code: 2, answer: { error: { code: 'USAGE' } } });
    expect(none.answer.error.hint).toContain('backups/');
  });
});

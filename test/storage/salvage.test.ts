import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { damageSentence } from '#sm/storage/damage-report.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';
import { StoreFolder } from '../support/store.js';

const reading = (index: number) => ({
  point: 'm1.temperature',
  timeMs: 1_700_000_000_000 + index,
  // Noise: what compresses well would not fill the file.
  value: Math.sin(index * index),
  unit: 'degC',
  quality: 'good' as const,
});

const PAGE = 4096;

async function filled(count = 20_000) {
  const folder = await StoreFolder.create();
  const store = await folder.open();
  await store.write({ readings: Array.from({ length: count }, (_, index) => reading(index)) });
  await store.write({ alarmStates: [{ alarm: 'a', point: 'm1.temperature', document: { state: 'x' } }] });
  await folder.close();
  return folder;
}

function overwritePage(file: string, page: number): void {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, (page - 1) * PAGE, page * PAGE);
  writeFileSync(file, bytes);
}

describe('a damaged database', () => {
  it('is set aside, and a new one has what could be read', async () => {
    const folder = await filled();
    const before = statSync(folder.file).size;
    overwritePage(folder.file, Math.floor(before / PAGE / 2));
    const store = await folder.open();
    const [damaged] = await store.damagedFiles();
    expect(existsSync(damaged!.file)).toBe(true);
    expect(statSync(damaged!.file).size).toBe(before);
    while (await store.salvageStep());
    const [read] = await store.damagedFiles();
    const { length } = await store.readings('m1.temperature', -Infinity, Infinity, 50_000);
    // A page costs what is compressed together on it.
    expect(length).toBeGreaterThan(15_000);
    expect(length).toBeLessThan(20_000);
    expect(await store.alarmStates()).toEqual([{ state: 'x' }]);
    expect(damageSentence(read!)).toMatch(/set aside as .*; \d+ rows were read out of it, about \d+ rows/);
  });

  it('does not give the number of a lost event to another one', async () => {
    const folder = await filled(100);
    const store = await folder.open();
    const event = (id: string) => ({
      id,
      type: 'AlarmRaised' as const,
      version: 1,
      time: '2026-01-01T00:00:00.000Z',
      gatewayId: 'gw',
      correlationId: 'c',
      payload: {},
    });
    await store.write({ events: [event('a'), event('b')] });
    await store.journal.advance('sync', 2);
    await folder.close();
    const bytes = readFileSync(folder.file);
    writeFileSync(folder.file, bytes.subarray(0, bytes.length - 100));
    const again = await folder.open();
    expect(await again.damagedFiles()).toHaveLength(1);
    await again.write({ events: [event('c')] });
    const events = await again.journal.read(2, 10);
    expect(events.map(({ event: { id } }) => id)).toEqual(['c']);
    expect(await again.journal.cursor('sync')).toBe(2);
  });

  it('is replaced while the daemon runs when a query meets the damage', async () => {
    const folder = await filled();
    const store = await folder.open();
    // Behind the back of the open store, whose cache does not hold the whole file.
    overwritePage(folder.file, Math.floor(statSync(folder.file).size / PAGE / 2));
    const findings = await store.integrityCheck();
    expect(findings.length).toBeGreaterThan(0);
    while (await store.salvageStep());
    await store.write({ readings: [reading(1_000_000)] });
    const found = await store.readings('m1.temperature', -Infinity, Infinity, 50_000);
    expect(found.length).toBeGreaterThan(15_000);
    expect(await store.integrityCheck()).toEqual([]);
    expect(await store.damagedFiles()).toHaveLength(1);
  });

  it('goes on reading where a restart cut it off', async () => {
    const folder = await filled(10);
    const first = await folder.open();
    const random = seededRandom(3);
    const blocks = Array.from({ length: 1_300 }, (_, index) => ({
      point: 'm1.acceleration',
      startTimeMs: index * 80,
      sampleRateHz: 25_600,
      unit: 'g',
      samples: Float32Array.from({ length: 2_048 }, () => random() - 0.5),
      quality: 'good' as const,
    }));
    await first.write({ blocks });
    await folder.close();
    overwritePage(folder.file, Math.floor(statSync(folder.file).size / PAGE / 2));
    let store = await folder.open();
    expect(await store.salvageStep()).toBe(true);
    store = await folder.reopen();
    while (await store.salvageStep());
    const found = await store.blocks('m1.acceleration', -Infinity, Infinity, 5_000);
    expect(found.length).toBeGreaterThan(1_290);
    expect(new Set(found.map(({ startTimeMs }) => startTimeMs)).size).toBe(found.length);
  });

  it('is told from one of a newer program, which is refused and left as it is', async () => {
    const folder = await filled(10);
    const db = new SqliteDatabase(folder.file);
    const version = Number(db.pragma('user_version', { simple: true }));
    db.pragma(`user_version = ${version + 1}`);
    db.pragma(`application_id = ${0x534d4500 + version + 1}`);
    db.close();
    await expect(folder.open()).rejects.toMatchObject({ code: 'STORE_NEWER' });

    const marked = new SqliteDatabase(folder.file);
    marked.pragma(`application_id = ${0x534d4500 + version}`);
    marked.close();
    const store = await folder.open();
    expect((await store.readings('m1.temperature', -Infinity, Infinity, 100)).length).toBe(10);
    expect((await store.damagedFiles()).length).toBe(1);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { soakCount, soakResult, soakTimeoutMs } from '../support/soak.js';
import { sampleStore, type TornResult, tornRun, tornTotals } from './torn-writes.js';

const RUNS = soakCount(8);
const FIRST_SEED = 1;

describe('a database that was damaged at random', () => {
  let sample: string;

  beforeAll(async () => {
    sample = await mkdtemp(join(tmpdir(), 'sm-edge-torn-sample-'));
    await sampleStore(sample);
  });

  afterAll(() => rm(sample, { recursive: true, force: true }));

  it(
    `opens every time in ${RUNS} runs, keeps what can be read, and says what is lost`,
    async () => {
      const results: TornResult[] = [];
      for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
        const folder = await mkdtemp(join(tmpdir(), 'sm-edge-torn-'));
        try {
          results.push(await tornRun(sample, folder, seed));
        } catch (thrown) {
          throw new Error(`seed ${seed}: ${(thrown as Error).message}`, { cause: thrown });
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      }
      const totals = tornTotals(results);
      soakResult(totals);
      expect(totals.noticed).toBeGreaterThan(RUNS / 3);
      expect(totals.readingsKept).toBeGreaterThan(0.5);
      expect(totals.silent).toBe(0);
      expect(results.filter(({ readings }) => readings > 20_000)).toEqual([]);
    },
    soakTimeoutMs(240_000),
  );
});

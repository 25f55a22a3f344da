import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

interface Judged {
  readonly falseAnomalies: number;
  readonly falseBelieved: number;
  readonly falseAlarms: number;
  readonly faultsSeen: number;
  readonly faultBlocksAnomalous: number;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

describe('a machine that stands still, runs up, runs at two loads and fails at one', () => {
  it('raises no alarm by its duty and one by its fault, where its states are known; and many where not', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['bench/run.js', 'states'], {
      cwd: ROOT,
      env: { ...process.env, SM_EDGE_BENCH_MACHINES: '1' },
    });
    const { states } = (JSON.parse(stdout) as { results: { states: Record<string, Judged> } }).results;
    for (const known of ['found', 'declared']) {
      expect(states[known]).toMatchObject({ falseBelieved: 0, falseAlarms: 0, faultsSeen: 1 });
      expect(states[known]!.falseAnomalies).toBeLessThanOrEqual(1);
      expect(states[known]!.faultBlocksAnomalous).toBeGreaterThan(0.9);
    }
    expect(states.none!.falseAlarms).toBeGreaterThan(5);
  });
});

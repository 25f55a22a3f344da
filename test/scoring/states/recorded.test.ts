import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { dataFolder, realRecordings } from '../../support/data.js';

interface Judged {
  readonly judgedHealthy: number;
  readonly judgedFaulty: number;
  readonly anomalousFaulty: number;
  readonly falseAnomalies: number;
  readonly falseBelieved: number;
  readonly faults: number;
  readonly faultsBelieved: number;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const STORY = 'water pump, valves';

describe.skipIf(realRecordings('skab') === undefined)(
  'a recorded pump whose valves close twenty times',
  () => {
    it('looks at states in its noisy current without losing a value or a fault', async () => {
      const { stdout } = await promisify(execFile)(process.execPath, ['bench/run.js', 'states-recorded'], {
        cwd: ROOT,
        env: { ...process.env, SM_EDGE_DATA: dataFolder, SM_EDGE_BENCH_STORY: STORY },
      });
      const { results } = JSON.parse(stdout) as {
        results: { 'states-recorded': Record<string, Record<'none' | 'found', Judged>> };
      };
      const { none, found } = results['states-recorded'][STORY]!;
      expect(found).toMatchObject({ faults: 20, faultsBelieved: 20 });
      expect(found.judgedHealthy).toBeGreaterThan(0.95);
      expect(found.judgedFaulty).toBeGreaterThan(0.95);
      expect(found.falseAnomalies).toBeLessThanOrEqual(none.falseAnomalies);
      expect(found.falseBelieved).toBeLessThanOrEqual(none.falseBelieved);
      expect(found.anomalousFaulty).toBeGreaterThan(0.95 * none.anomalousFaulty);
    });
  },
);

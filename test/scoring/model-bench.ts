import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { ModelStore } from '#sm/scoring/model-store.js';
import { type Quarantine, quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';

/** An empty model store in a folder of its own, and what scores by its models. */
export interface ModelBench {
  readonly dir: string;
  readonly store: ModelStore;
  readonly scorer: Scorer;
  remove(): Promise<void>;
}

/** @param name goes into the name of the folder */
export async function modelBench(
  name: string,
  by: Quarantine = quarantine(systemClock, 200_000),
): Promise<ModelBench> {
  const dir = await mkdtemp(join(tmpdir(), `sm-edge-${name}-`));
  const metrics = new Metrics();
  const store = new ModelStore({
    bundledDir: join(dir, 'none'),
    localDir: join(dir, 'models'),
    quarantine: by,
    metrics,
  });
  await store.open();
  const scorer = new Scorer({ clock: systemClock, metrics, timeoutMs: 200_000 });
  return {
    dir,
    store,
    scorer,
    async remove() {
      await scorer.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

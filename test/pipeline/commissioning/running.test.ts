import { expect, it } from 'vitest';
import { healthyTable } from '#sm/pipeline/commissioning/healthy-table.js';
import { runningStates } from '#sm/pipeline/commissioning/running.js';
import { StoredHistory } from '#sm/storage/history.js';
import { featureRows, POINT, WINDOW_MS, writeFeatures } from '../../support/history.js';
import { StoreFolder } from '../../support/store.js';

const START_MS = Date.UTC(2026, 10, 1);

it('of a machine with states only steady windows are learned, each under its state', async () => {
  const made = await StoreFolder.create();
  const store = await made.open();
  await writeFeatures(store, featureRows(POINT, START_MS, 300));
  // Idle for the first hundred, full for the second, stopped (not scored) for the third.
  await store.write({
    scores: Array.from({ length: 200 }, (_, i) => ({
      ...{ point: POINT, timeMs: START_MS + i * WINDOW_MS, model: 'baseline', version: '1' },
      ...{ score: 1, threshold: 6, anomalous: false, correlationId: 'c' },
      state: i < 100 ? 'speed-740' : i < 190 ? 'speed-1480' : 'unknown',
    })),
  });
  const history = StoredHistory.open(made.file);
  try {
    const span = { fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
    const stateOf = runningStates(history, POINT, span.fromMs, span.toMs);
    const table = healthyTable(history, { point: POINT, ...span, stateOf });
    expect(table.healthyMs).toEqual({ 'speed-740': 100 * WINDOW_MS, 'speed-1480': 90 * WINDOW_MS });
    expect(table.leftOut).toMatchObject({ state: 110, alarm: 0 });
    expect(table).toMatchObject({ windows: 190, intervalMs: WINDOW_MS });
  } finally {
    history.close();
  }
});

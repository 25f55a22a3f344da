import { gaussian, seededRandom } from '#sm/base/random.js';
import { signalDocument } from '#sm/pipeline/live/signal-document.js';
import type { FeatureRow, Store } from '#sm/storage/store.js';

export const POINT = 'pump-1.bearing-de.acceleration';
export const WINDOW_MS = 1_000;
const RATE_HZ = 8_192;

/** Feature rows of a machine whose level follows its load; `level` is 1 while it is healthy. */
export function featureRows(
  point: string,
  startMs: number,
  count: number,
  level: (index: number) => number = () => 1,
  seed = 11,
): FeatureRow[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const load = Math.sin(i / 60) + 0.2 * gaussian(random);
    const loud = level(i);
    return {
      point,
      timeMs: startMs + i * WINDOW_MS,
      durationMs: WINDOW_MS,
      features: {
        rms: loud * Math.exp(0.1 * load + 0.03 * gaussian(random)),
        'band.1000-2500.rms': loud * 0.2 * Math.exp(0.1 * load + 0.05 * gaussian(random)),
        velocityRmsMmPerS: loud * 1.1 * Math.exp(0.1 * load + 0.05 * gaussian(random)),
        kurtosis: 3 * loud ** 0.5 * Math.exp(0.03 * gaussian(random)),
        crestFactor: 4 * Math.exp(0.05 * gaussian(random)),
      },
    };
  });
}

/** Writes rows and what they are made of. */
export async function writeFeatures(store: Store, rows: readonly FeatureRow[]): Promise<void> {
  const point = rows[0]!.point;
  const spec = { sampleRateHz: RATE_HZ, unit: 'g', quantity: 'acceleration', blockLength: RATE_HZ };
  await store.write({ documents: [signalDocument(point, spec)] });
  for (let from = 0; from < rows.length; from += 500)
    await store.write({ features: rows.slice(from, from + 500) });
}

/** An event of the journal. */
export const journaled = (
  type: string,
  timeMs: number,
  payload: Readonly<Record<string, unknown>>,
  id = `${type}-${timeMs}`,
  causationId?: string,
) => ({
  id,
  type: type as 'AlarmRaised',
  version: 2,
  time: new Date(timeMs).toISOString(),
  gatewayId: 'gw-1',
  correlationId: 'c',
  ...(causationId === undefined ? {} : { causationId }),
  payload: { time: new Date(timeMs).toISOString(), ...payload },
});

export const raised = (alarm: string, point: string, timeMs: number, causationId?: string) =>
  journaled(
    'AlarmRaised',
    timeMs,
    {
      alarm,
      point,
      from: 'normal',
      to: 'unacknowledged',
      cause: 'condition',
      severity: 'high',
      message: alarm,
    },
    `raised-${alarm}-${timeMs}`,
    causationId,
  );

export const returned = (alarm: string, point: string, timeMs: number) =>
  journaled('AlarmReturnedToNormal', timeMs, {
    ...{ alarm, point, from: 'acknowledged', to: 'normal', cause: 'condition', severity: 'high' },
    message: alarm,
  });

export const labelled = (alarm: string, point: string, raisedMs: number, correct: boolean, cause?: string) =>
  journaled(
    'AlarmLabelled',
    raisedMs + 60_000,
    {
      ...{ alarm, point, correct, by: 'anna', message: 'label' },
      raised: new Date(raisedMs).toISOString(),
      ...(cause === undefined ? {} : { cause }),
    },
    `label-${alarm}-${raisedMs}`,
  );

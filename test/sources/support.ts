import { systemClock } from '#sm/base/clock.js';
import { type Logger, silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import type { Reading } from '#sm/signals/reading.js';
import type { SampleBlock } from '#sm/signals/sample-block.js';
import type { SignalBatch, Source, SourceDeps, SourcePart, SourceStatus } from '#sm/sources/part.js';
import { until } from '../support/until.js';

/** A source under test with all that it gave out. */
export interface Running {
  readonly source: Source;
  readonly readings: Reading[];
  readonly blocks: SampleBlock[];
  readonly statuses: SourceStatus[];
  readonly warnings: string[];
  /** Sum of a counter over the label values that match. */
  counter(name: string, labels?: Record<string, string>): Promise<number>;
}

export async function run<C extends { readonly id: string; readonly type: string }>(
  part: SourcePart<C>,
  config: object,
  more: Partial<SourceDeps> = {},
): Promise<Running> {
  const readings: Reading[] = [];
  const blocks: SampleBlock[] = [];
  const statuses: SourceStatus[] = [];
  const warnings: string[] = [];
  const metrics = new Metrics();
  const take = (batch: SignalBatch) => {
    readings.push(...(batch.readings ?? []));
    blocks.push(...(batch.blocks ?? []));
  };
  const logger = Object.create(silentLogger) as Logger;
  logger.warn = ((_fields: unknown, message: string) => void warnings.push(message)) as Logger['warn'];
  const source = await part.create(part.configSchema.parse({ id: 's', type: part.type, ...config }), {
    gatewayId: 'gw-1',
    clock: systemClock,
    random: seededRandom(1),
    logger,
    metrics,
    sink: { offer: take, deliver: async (batch) => take(batch) },
    onStatus: (status) => statuses.push(status),
    ...more,
    ...more,
  });
  await source.start();
  const counter = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const metric = await metrics.registry.getSingleMetric(name)?.get();
    return (metric?.values ?? [])
      .filter(({ labels: own }) =>
        Object.entries(labels).every(([key, wanted]) => (own as Record<string, unknown>)[key] === wanted),
      )
      .reduce((sum, { value }) => sum + value, 0);
  };
  return { source, readings, blocks, statuses, warnings, counter };
}

export { until };

export const isState = (source: Source, state: string): Promise<void> =>
  until(() => {
    if (source.status.state !== state) throw new Error(`${source.status.state}: ${source.status.reason}`);
  });

/** Facts that outlive a source, as the store keeps them. */
export function memory() {
  const facts = new Map<string, string>();
  return {
    read: (key: string) => facts.get(key),
    write: (key: string, value: string) => void facts.set(key, value),
  };
}

import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { type Clock, systemClock } from '#sm/base/clock.js';
import { type Logger, silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import type { Reading } from '#sm/signals/reading.js';
import type { SampleBlock } from '#sm/signals/sample-block.js';
import { mqttPart } from '#sm/sources/mqtt/index.js';
import type { SignalBatch, SignalSink, Source, SourceMemory, SourceStatus } from '#sm/sources/part.js';
import { until } from '../../support/until.js';

/** A sink that keeps what it got, and stores only when the test lets it. */
export class TestSink implements SignalSink {
  readonly offered: SignalBatch[] = [];
  readonly stored: SignalBatch[] = [];
  readonly pending: { batch: SignalBatch; store(): void; refuse(error: Error): void }[] = [];
  /** While true every delivery is stored at once. */
  automatic = true;
  deliveries = 0;

  offer(batch: SignalBatch): void {
    this.offered.push(batch);
  }

  deliver(batch: SignalBatch): Promise<void> {
    this.deliveries++;
    if (this.automatic) {
      this.stored.push(batch);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.pending.push({
        batch,
        store: () => {
          this.stored.push(batch);
          resolve();
        },
        refuse: reject,
      });
    });
  }

  storeAll(): void {
    for (const delivery of this.pending.splice(0)) delivery.store();
  }

  refuseAll(): void {
    for (const delivery of this.pending.splice(0)) delivery.refuse(new Error('disk full'));
  }

  get readings(): Reading[] {
    return this.stored.flatMap((batch) => [...(batch.readings ?? [])]);
  }

  get blocks(): SampleBlock[] {
    return this.stored.flatMap((batch) => [...(batch.blocks ?? [])]);
  }
}

export const memory = (): SourceMemory & { readonly entries: Map<string, string> } => {
  const entries = new Map<string, string>();
  return { entries, read: (key) => entries.get(key), write: (key, value) => void entries.set(key, value) };
};

export interface Started {
  readonly source: Source;
  readonly sink: TestSink;
  readonly metrics: Metrics;
  readonly statuses: SourceStatus[];
  readonly warnings: string[];
  counter(name: string, labels?: Record<string, string>): Promise<number>;
}

/** A logger that keeps the messages of warnings. */
function keepingLogger(warnings: string[]): Logger {
  const logger = Object.create(silentLogger) as Logger;
  logger.warn = ((_fields: unknown, message: string) => void warnings.push(message)) as Logger['warn'];
  return logger;
}

export async function startSource(
  config: Record<string, unknown>,
  options: { sink?: TestSink; memory?: SourceMemory; gatewayId?: string; clock?: Clock } = {},
): Promise<Started> {
  const sink = options.sink ?? new TestSink();
  const metrics = new Metrics();
  const statuses: SourceStatus[] = [];
  const warnings: string[] = [];
  const source = await mqttPart.create(mqttPart.configSchema.parse({ id: 'm', type: 'mqtt', ...config }), {
    gatewayId: options.gatewayId ?? 'gw-1',
    clock: options.clock ?? systemClock,
    random: seededRandom(1),
    logger: keepingLogger(warnings),
    metrics,
    sink,
    onStatus: (status) => statuses.push(status),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
  });
  await source.start();
  const counter = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const metric = await metrics.registry.getSingleMetric(name)?.get();
    const values = metric?.values ?? [];
    const matching = values.filter((value) =>
      Object.entries(labels).every(
        ([key, wanted]) => (value.labels as Record<string, unknown>)[key] === wanted,
      ),
    );
    return matching.reduce((sum, { value }) => sum + value, 0);
  };
  return { source, sink, metrics, statuses, warnings, counter };
}

export { until };

export const isGood = (source: Source): Promise<void> =>
  until(() => {
    if (source.status.state !== 'good') throw new Error(`${source.status.state}: ${source.status.reason}`);
  });

/** A publisher of its own, as the plant's devices are. */
export const publisher = (url: string, options: IClientOptions = {}): Promise<MqttClient> =>
  mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 50, ...options });

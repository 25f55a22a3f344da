// What the event plane costs on this disk: events journaled a second, the time from publishing to disk and to the
// subscriber, and how fast a subscriber that was away catches up.
//   npm run bench -- events
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { EventBus } from '#sm/events/bus.js';
import { EventCatalogue } from '#sm/events/catalogue.js';
import { Store } from '#sm/storage/store.js';

const SINGLE = 300;
const BURSTS = 50;
const BURST = 100;
const BACKLOG = 20_000;

const quantile = (values, share) => values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];
const round = (value) => Math.round(value * 100) / 100;

const draft = (number) => ({
  type: 'AlarmRaised',
  correlationId: `c${number}`,
  payload: {
    alarm: 'hot',
    point: 'pump-1.bearing-de.temperature',
    from: 'normal',
    to: 'unacknowledged',
    cause: 'condition',
    severity: 'high',
    message: 'pump-1.bearing-de.temperature is 90 degC, above 85 degC. Bearing hot. Check the grease.',
    time: '2026-01-01T00:00:00.000Z',
    number,
  },
});
const drafts = (from, count) => Array.from({ length: count }, (_, i) => draft(from + i));

export async function bench() {
  const folder = mkdtempSync(join(tmpdir(), 'sm-edge-bench-events-'));
  const metrics = new Metrics();
  const clock = systemClock;
  const store = await Store.open({ folder, clock, metrics });
  const bus = new EventBus({
    gatewayId: 'gw',
    clock,
    random: seededRandom(1),
    newId: idGenerator(clock, seededRandom(2)),
    logger: silentLogger,
    metrics,
    journal: store.journal,
    catalogue: new EventCatalogue(),
  });
  try {
    const publish = (list) => bus.publish(list, (events) => store.write({ events }));
    const startedMs = new Map();
    const deliveredMs = [];
    let seen = 0;
    let onSeen = () => undefined;
    await bus.subscribe({
      name: 'latency',
      handler: async (event) => {
        const started = startedMs.get(event.payload.number);
        if (started !== undefined) deliveredMs.push(performance.now() - started);
        seen++;
        onSeen();
      },
    });
    const untilSeen = (count) =>
      new Promise((resolve) => {
        onSeen = () => seen >= count && resolve();
        onSeen();
      });

    const durableMs = [];
    for (let number = 0; number < SINGLE; number++) {
      const started = performance.now();
      startedMs.set(number, started);
      await publish([draft(number)]);
      durableMs.push(performance.now() - started);
    }
    await untilSeen(SINGLE);

    const burstFrom = performance.now();
    for (let burst = 0; burst < BURSTS; burst++) await publish(drafts(SINGLE + burst * BURST, BURST));
    const burstS = (performance.now() - burstFrom) / 1000;
    await untilSeen(SINGLE + BURSTS * BURST);

    // A subscriber that was here, went, and comes back to a backlog.
    const leave = await bus.subscribe({ name: 'away', handler: async () => undefined });
    await leave();
    for (let from = 0; from < BACKLOG; from += 1000) await publish(drafts(1_000_000 + from, 1000));
    let caughtUp = 0;
    const catchFrom = performance.now();
    await new Promise((resolve) => {
      bus.subscribe({
        name: 'away',
        handler: async () => {
          if (++caughtUp === BACKLOG) resolve();
        },
      });
    });
    const catchS = (performance.now() - catchFrom) / 1000;
    return {
      publishToDiskMs: { median: round(quantile(durableMs, 0.5)), p99: round(quantile(durableMs, 0.99)) },
      publishToHandlerMs: {
        median: round(quantile(deliveredMs, 0.5)),
        p99: round(quantile(deliveredMs, 0.99)),
      },
      publishedPerSecondAlone: Math.round((1000 * SINGLE) / durableMs.reduce((sum, ms) => sum + ms, 0)),
      publishedPerSecondInHundreds: Math.round((BURSTS * BURST) / burstS),
      caughtUpPerSecond: Math.round(BACKLOG / catchS),
    };
  } finally {
    await bus.stop();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

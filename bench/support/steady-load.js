// A gateway's steady load on its store, from the main thread: 20,000 readings and 50 events a second, features, scores and
// documents, and people who ask meanwhile. With `write` that does nothing it shows what the load costs by itself.
import { systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { seededRandom } from '#sm/base/random.js';

const POINTS = 200;
const PER_BATCH = 2_000;
const NAMES = Array.from({ length: 38 }, (_, i) => `feature${i}`);

const pointOf = (i) => `machine-${i % POINTS}.bearing-de.temperature`;

/** What was learned of each point, some kilobytes. */
const DOCUMENTS = Array.from({ length: POINTS }, (_, i) => ({
  key: `baseline:${pointOf(i)}`,
  document: { kind: 'features', values: Array.from({ length: 1_000 }, (_, at) => at / 3) },
}));

function readingsAt(timeMs) {
  return Array.from({ length: PER_BATCH }, (_, i) => ({
    point: pointOf(i),
    timeMs: timeMs + Math.floor(i / POINTS) * 10,
    value: 40 + (i % 30) / 10,
    unit: 'degC',
    quality: 'good',
  }));
}

const featuresAt = (timeMs, newId) => ({
  features: Array.from({ length: 50 }, (_, i) => ({
    point: pointOf(i),
    timeMs,
    durationMs: 250,
    features: Object.fromEntries(NAMES.map((name, at) => [name, i + at / 7])),
  })),
  scores: Array.from({ length: 50 }, (_, i) => ({
    point: pointOf(i),
    timeMs,
    model: 'baseline',
    version: '1',
    score: 0.5,
    threshold: 1,
    anomalous: false,
    correlationId: newId(),
  })),
});

const eventAt = (timeMs, newId) => ({
  id: newId(),
  type: 'AlarmRaised',
  version: 1,
  time: new Date(timeMs).toISOString(),
  gatewayId: 'gw',
  correlationId: newId(),
  payload: {
    alarm: 'hot',
    point: pointOf(0),
    from: 'normal',
    to: 'unacknowledged',
    message: 'x'.repeat(200),
  },
});

/** Every `everyMs` one piece of work, until `forMs` are over; resolves when all of them are done. */
function every(everyMs, forMs, work) {
  return new Promise((resolve, reject) => {
    const underWay = [];
    const startMs = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - startMs < forMs) {
        underWay.push(work());
        return;
      }
      clearInterval(timer);
      Promise.all(underWay).then(resolve, reject);
    }, everyMs);
  });
}

/** @param store what takes `write` and `save`; what it also answers is asked */
export async function steadyLoad(store, forMs) {
  const newId = idGenerator(systemClock, seededRandom(1));
  const now = () => systemClock.nowMs();
  const counts = { readings: 0, events: 0, questions: 0 };
  const ask = async (question) => {
    counts.questions++;
    await question;
  };
  const startMs = now();
  const loads = [
    every(100, forMs, () => {
      counts.readings += PER_BATCH;
      return store.write({ readings: readingsAt(now()) });
    }),
    every(20, forMs, () => {
      counts.events++;
      const alarm = { alarm: 'hot', point: pointOf(counts.events), document: { state: 'unacknowledged' } };
      return store.write({ events: [eventAt(now(), newId)], alarmStates: [alarm] });
    }),
    every(250, forMs, () => store.save(featuresAt(now(), newId))),
    every(5_000, forMs, () => store.write({ documents: DOCUMENTS })),
  ];
  if (store.lastReadings !== undefined) {
    const points = Array.from({ length: POINTS }, (_, i) => pointOf(i));
    loads.push(
      every(1_000, forMs, () => ask(store.lastReadings(points))),
      every(1_000, forMs, () =>
        ask(store.aggregate({ point: pointOf(3), fromMs: startMs, toMs: now(), buckets: 1_000 })),
      ),
      every(1_000, forMs, () =>
        ask(store.plot({ point: pointOf(4), fromMs: startMs, toMs: now(), points: 1_000, method: 'lttb' })),
      ),
      every(2_000, forMs, () => ask(store.readings(pointOf(5), startMs, now(), 100_000))),
      every(2_000, forMs, () => ask(store.features(pointOf(6), startMs, now(), 100_000))),
      every(2_000, forMs, () => ask(store.scores(pointOf(7), startMs, now(), 100_000))),
      every(2_000, forMs, () => ask(store.journal.find({ limit: 10_000 }))),
      every(5_000, forMs, () => ask(store.documents('baseline:'))),
    );
  }
  await Promise.all(loads);
  return counts;
}

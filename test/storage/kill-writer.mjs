// A gateway's store, event plane and alarms under load, as a process of its own, to be killed. What is acknowledged is
// said on stdout, a line each: "R batch startUs", "E value", "D eventId" (delivered), "X code" (the disk).
//   node kill-writer.mjs FOLDER FIRST_BATCH SEED steady|jumping|idle
import { alarmConfigSchema } from '#sm/alarms/config.js';
import { AlarmEngine } from '#sm/alarms/engine.js';
import { sleep, systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { EventBus } from '#sm/events/bus.js';
import { EventCatalogue } from '#sm/events/catalogue.js';
import { Announcer } from '#sm/pipeline/announcements/announcer.js';
import { RetentionClock, retentionClockSchema } from '#sm/storage/retention-clock.js';
import { Store } from '#sm/storage/store.js';

const [folder, firstBatch, seed, mode] = process.argv.slice(2);
/** 20 batches of 1,000 readings and 50 events a second. */
const TICK_MS = 50;
const POINTS = 20;
const ROWS = 50;
const ALARMS = 25;
const DAY_MS = 86_400_000;
const KEPT = ['waveforms', 'readings', 'features', 'minutes', 'hours', 'days', 'events'];
const MAX_UNDER_WAY = 40;

const random = seededRandom(Number(seed));
const metrics = new Metrics();
// The clock's timers keep no process alive.
setInterval(() => undefined, 3_600_000);
const say = (line) => process.stdout.write(`${line}\n`);

let offsetMs = 0;
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };

let isRescuing = false;
const store = await Store.open({
  folder,
  clock,
  metrics,
  onDisk(error) {
    if (error === undefined) return;
    say(`X ${error.code}`);
    // As the daemon does it: a full disk waits for room, another one is opened again.
    if (isRescuing) return;
    isRescuing = true;
    void sleep(clock, 'rescue', 200)
      .then(() => (error.code === 'STORE_FULL' ? undefined : store.reopen()))
      .catch(() => undefined)
      .then(() => {
        isRescuing = false;
      });
  },
});

const journal = store.journal;
const newId = idGenerator(clock, random);
const bus = new EventBus({
  gatewayId: 'gw',
  clock,
  random,
  newId,
  logger: silentLogger,
  metrics,
  journal,
  catalogue: new EventCatalogue(),
});
await bus.subscribe({
  name: 'checker',
  handler: async ({ id }) => say(`D ${id}`),
});

const alarms = new AlarmEngine(
  Array.from({ length: ALARMS }, (_, index) =>
    alarmConfigSchema.parse({ id: `a${index}`, point: `m${index}.pressure`, above: 10 }),
  ),
);
alarms.restore(await store.alarmStates());
const announcer = new Announcer({ bus, store, alarms, clock, random, newId });
say('ready');

let batch = Number(firstBatch);
let underWay = 0;

async function readings(number) {
  underWay++;
  const startUs = Math.floor(clock.nowMs()) * 1000;
  const rows = Array.from({ length: POINTS * ROWS }, (_, index) => ({
    point: `m${index % POINTS}.temperature`,
    timeMs: startUs / 1000 + Math.floor(index / POINTS),
    value: number * ROWS + Math.floor(index / POINTS),
    unit: 'degC',
    quality: 'good',
  }));
  for (;;) {
    try {
      await store.write({ readings: rows });
      say(`R ${number} ${startUs}`);
      break;
    } catch (error) {
      if (error.retryable !== true) throw error;
      await sleep(clock, 'retry', 50);
    }
  }
  underWay--;
}

let switches = 0;
async function events(count) {
  for (let index = 0; index < count; index++) {
    const point = `m${switches % ALARMS}.pressure`;
    const isHigh = alarms.stateOf(`a${switches % ALARMS}`, point)?.active !== true;
    switches++;
    // Every value once: it is what an event is known by.
    const number = Number(firstBatch) * 1_000 + switches;
    const value = isHigh ? 10 + number : -number;
    const reading = { point, timeMs: clock.nowMs(), value, unit: 'bar', quality: 'good' };
    const changes = alarms.evaluateReading(reading);
    underWay++;
    announcer.transitions(changes, newId()).then(
      () => {
        underWay--;
        say(`E ${value}`);
      },
      (error) => say(`! ${error.code}`),
    );
  }
}

const CLOCK_KEY = 'retention:clock';
const retentionClock = new RetentionClock(
  retentionClockSchema.safeParse(await store.document(CLOCK_KEY)).data,
);
/** As the daemon does it: at its start, before anything is measured, and now and then. */
async function retentionTime() {
  const { nowMs } = retentionClock.now({
    wallMs: clock.nowMs(),
    monotonicMs: clock.monotonicMs(),
    synchronised: true,
    newestDataMs: await store.newestDataMs(),
  });
  await store.write({ documents: [{ key: CLOCK_KEY, document: retentionClock.state }] });
  return nowMs;
}
async function deleteOld() {
  const nowMs = await retentionTime();
  const keepMs = Object.fromEntries(KEPT.map((kind) => [kind, 30 * DAY_MS]));
  await store.retention({ nowMs, budgetBytes: Number.MAX_SAFE_INTEGER, keepMs });
}

// On a disk that takes nothing it is saved later.
await retentionTime().catch(() => undefined);
const startMs = clock.monotonicMs();
for (let tick = 0; ; tick++) {
  await sleep(clock, 'tick', Math.max(1, startMs + tick * TICK_MS - clock.monotonicMs()));
  if (mode === 'idle' || underWay > MAX_UNDER_WAY) continue;
  // By hours, and now and then by years.
  if (mode === 'jumping' && random() < 0.2)
    offsetMs = Math.floor((random() * 2 - 1) * (random() < 0.2 ? 20 * 365 * DAY_MS : DAY_MS));
  readings(batch++).catch((error) => say(`! ${error.code}`));
  events(tick % 2 === 0 ? 3 : 2);
  if (random() < 0.1) store.seal().catch(() => undefined);
  if (random() < 0.05) deleteOld().catch(() => undefined);
}

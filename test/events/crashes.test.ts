import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { EventBus } from '#sm/events/bus.js';
import type { GatewayEvent } from '#sm/events/event.js';
import { once } from '#sm/events/once.js';
import { Store } from '#sm/storage/store.js';
import { until } from '../support/until.js';

const CRASHES = 4;
const RETRY = { initialMs: 1, maxMs: 5, factor: 2, jitter: 0, limit: 2 };

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'sm-edge-crash-'));
  folders.push(folder);
  return folder;
};

/** What the subscribers of all lives got, and what was promised to the publisher. */
class Model {
  readonly promised = new Set<number>();
  readonly got: number[] = [];
  readonly dead = new Set<number>();
  published = 0;
}

/** One life of the program: it publishes, delivers, fails now and then, and is cut off at any moment. */
class Life {
  readonly store: Store;
  readonly bus: EventBus;
  #cut = false;

  readonly #folder: string;

  private constructor(folder: string, store: Store, bus: EventBus) {
    this.#folder = folder;
    this.store = store;
    this.bus = bus;
  }

  static async begin(folder: string, model: Model, seed: number): Promise<Life> {
    const metrics = new Metrics();
    const store = await Store.open({ folder, clock: systemClock, metrics });
    const random = seededRandom(seed);
    const bus = new EventBus({
      gatewayId: 'gw-test',
      clock: systemClock,
      random,
      newId: idGenerator(systemClock, seededRandom(1000 + seed)),
      logger: silentLogger,
      metrics,
      journal: store.journal,
    });
    const life = new Life(folder, store, bus);
    await bus.subscribe({
      name: 'all',
      retry: RETRY,
      handler: async (event) => {
        if (life.#cut) throw new Error('cut off');
        const number = numberOf(event);
        // Every 7th can never be taken; others fail now and then.
        if (number % 7 === 3 || random() < 0.1) throw new Error('not now');
        model.got.push(number);
      },
    });
    const handler = once('effects', store.journal, async (event, mark) => {
      if (life.#cut) throw new Error('cut off');
      if (random() < 0.1) throw new Error('not now');
      const key = `effect:${numberOf(event)}`;
      const before = (await store.documents(key)).find(([found]) => found === key)?.[1] as number | undefined;
      await store.write({ documents: [{ key, document: (before ?? 0) + 1 }], consumed: [mark] });
    });
    await bus.subscribe({ name: 'effects', retry: { ...RETRY, limit: 50 }, handler });
    return life;
  }

  /** One publication with a document and a row of the outbox in its commit; kept once it is promised. */
  async publish(model: Model, count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => model.published++);
    const drafts = numbers.map((number) => ({
      type: 'AlarmRaised' as const,
      correlationId: `c${number}`,
      payload: { number },
    }));
    await this.bus.publish(drafts, (events) =>
      this.store.write({
        events,
        documents: numbers.map((number) => ({ key: `state:${number}`, document: number })),
      }),
    );
    if (!this.#cut) for (const number of numbers) model.promised.add(number);
  }

  /** The files as a kill would leave them now; what this life does afterwards is seen by nobody. */
  cut(): string {
    this.#cut = true;
    const image = newFolder();
    cpSync(this.#folder, image, {
      recursive: true,
      filter: (path) => !path.endsWith('-shm') && !path.endsWith('.lock'),
    });
    return image;
  }

  async end(): Promise<void> {
    await this.bus.stop();
    await this.store.close();
  }
}

const numberOf = ({ payload }: GatewayEvent): number => Number(payload.number);

describe('journal, subscribers and effects over crashes at any moment', () => {
  it('keep what was promised, in order, and do each effect once', async () => {
    const seed = 2;
    const random = seededRandom(seed);
    const model = new Model();
    let folder = newFolder();
    for (let crash = 0; crash < CRASHES; crash++) {
      const life = await Life.begin(folder, model, seed * 100 + crash);
      const publications = Array.from({ length: 5 + Math.floor(random() * 10) }, () =>
        life.publish(model, 1 + Math.floor(random() * 4)),
      );
      const waitFor = Math.floor(random() * publications.length);
      await publications[waitFor];
      folder = life.cut();
      await Promise.all(publications);
      await life.end();
    }
    const last = await Life.begin(folder, model, seed * 100 + 99);
    await last.publish(model, 1);
    const journal = (await last.store.journal.read(0, 100_000)).map(({ event }) => numberOf(event));
    const { journal: durable } = last.store;
    await until(async () => {
      const head = await durable.head();
      expect(await durable.cursor('all')).toBe(head);
      expect(await durable.cursor('effects')).toBe(head);
    });

    // Whatever was promised is there, with the state of its commit, and nothing of a commit that is not.
    expect([...model.promised].filter((number) => !journal.includes(number))).toEqual([]);
    const states = (await last.store.documents('state:')).map(([, number]) => number as number);
    expect(states.sort((a, b) => a - b)).toEqual([...journal].sort((a, b) => a - b));
    // In the order of publication.
    expect(journal).toEqual([...journal].sort((a, b) => a - b));
    // Each was taken, or is a dead letter; first deliveries come in order.
    const letters = (await durable.deadLetters(10_000, 'all')).map(({ event }) => numberOf(event));
    const taken = new Set([...model.got, ...letters]);
    expect(journal.filter((number) => !taken.has(number))).toEqual([]);
    expect(letters.filter((number) => number % 7 === 3).sort((a, b) => a - b)).toEqual(
      journal.filter((number) => number % 7 === 3).sort((a, b) => a - b),
    );
    expect(model.got.filter((number) => !journal.includes(number))).toEqual([]);
    const firsts = [...new Set(model.got)];
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
    // Once, though delivered at least once.
    const effects = await last.store.documents('effect:');
    expect(effects.map(([, times]) => times)).toEqual(journal.map(() => 1));
    await last.end();
  });
});

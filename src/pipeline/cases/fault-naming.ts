import { rm } from 'node:fs/promises';
import { z } from 'zod';
import type { Clock } from '../../base/clock.js';
import { toErrorRecord } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { Logger } from '../../base/logger.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { FeatureVector } from '../../features/spec.js';
import { LEAST_CASES, NORMAL_LABEL, UNKNOWN_LABEL } from '../../scoring/learning/fault-classifier.js';
import type { ModelStore } from '../../scoring/model-store.js';
import type { Scorer } from '../../scoring/scorer.js';
import type { Store } from '../../storage/store.js';
import type { Announcer } from '../announcements/announcer.js';
import { modelNameOf, nextVersion, OWN_DATA_TERMS } from '../commissioning/model-name.js';
import type { Trainer } from '../commissioning/trainer.js';
import { parseSignal, signalKey } from '../live/signal-document.js';
import type { MachineRegistry } from '../machines/machines.js';
import type { CaseMemory } from './case-memory.js';
import type { KnownFault } from './nearest.js';
import { conclusive, speaksAgainst } from './physical-voice.js';

export interface FaultNamingDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly newId: NewId;
  readonly store: Pick<Store, 'document' | 'write'>;
  readonly announcer: Pick<Announcer, 'fact'>;
  readonly machines: Pick<MachineRegistry, 'contextOf'>;
  readonly modelStore: ModelStore;
  readonly scorer: Pick<Scorer, 'load' | 'score' | 'release'>;
  readonly trainer: Trainer;
  readonly cases: () => CaseMemory;
  /** A version of this model was learned: older ones may go. */
  readonly onLearned: (name: string) => Promise<void>;
}

const DOCUMENT = 'fault-models';
const storedSchema = z.array(z.object({ point: z.string(), key: z.string() }));

/** Names the fault of an anomaly by the cases that people labelled: a small classifier for each learned point. */
export class FaultNaming {
  readonly #deps: FaultNamingDeps;
  readonly #models = new Map<string, string>();
  /** Points whose classifier is to be made anew. */
  readonly #due = new Set<string>();
  #working: Promise<void> | undefined;
  #stopping = false;

  constructor(deps: FaultNamingDeps) {
    this.#deps = deps;
  }

  async restore(): Promise<void> {
    const { store, modelStore, scorer, logger } = this.#deps;
    for (const { point, key } of storedSchema.safeParse(await store.document(DOCUMENT)).data ?? []) {
      const [name, version] = key.split('/');
      try {
        await scorer.load(await modelStore.resolve(name!, version));
        this.#models.set(point, key);
      } catch (thrown) {
        logger.warn({ point, error: toErrorRecord(thrown) }, 'the faults of a point are not named');
      }
    }
  }

  /** Models by which faults are named now, `NAME/VERSION`. */
  get inUse(): Iterable<string> {
    return this.#models.values();
  }

  /** Cases of a class came or went. */
  changed({ machineClass, quantity }: { readonly machineClass: string; readonly quantity: string }): void {
    for (const point of this.#deps.cases().healthyPoints()) {
      const context = this.#deps.machines.contextOf(point);
      if (context.machineClass === machineClass && context.quantity === quantity) this.refresh(point);
    }
  }

  /** The classifier of a point is made anew, when its turn comes. */
  refresh(point: string): void {
    this.#due.add(point);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#deps.trainer.stop();
    await this.#working;
  }

  /**
   * What is known of what a point shows now; it never throws.
   * @param diagnosis what physics says of it
   */
  async of(point: string, features: FeatureVector, diagnosis?: Diagnosis): Promise<KnownFault> {
    const nearest = this.#deps.cases().nearest(point, features);
    const model = this.#models.get(point);
    if (model === undefined) return nearest;
    try {
      const [score] = await this.#deps.scorer.score(model, [features]);
      const { label, probabilities } = score ?? {};
      if (label === undefined || probabilities === undefined || label === NORMAL_LABEL) return nearest;
      const probability = Number(probabilities[label]!.toPrecision(4));
      const named = { label, probability, probabilities, model };
      const physics = conclusive(diagnosis);
      if (physics === undefined || !speaksAgainst(physics, this.#diagnosesOf(point, label)))
        return { ...nearest, classification: named };
      const contradicted = { label, diagnosis: physics };
      return { ...nearest, classification: { ...named, label: UNKNOWN_LABEL, contradicted } };
    } catch (thrown) {
      this.#deps.logger.warn({ point, error: toErrorRecord(thrown) }, 'a fault could not be named');
      return nearest;
    }
  }

  /** What physics said at the cases of a name. */
  #diagnosesOf(point: string, label: string): (string | undefined)[] {
    const { machineClass, quantity } = this.#deps.machines.contextOf(point);
    const cases = this.#deps.cases().of(machineClass, quantity);
    return cases.filter((one) => one.label === label).map(({ diagnosis }) => diagnosis);
  }

  async #work(): Promise<void> {
    for (let point = first(this.#due); point !== undefined && !this.#stopping; point = first(this.#due)) {
      this.#due.delete(point);
      try {
        await this.#learn(point);
      } catch (thrown) {
        this.#deps.logger.warn({ point, error: toErrorRecord(thrown) }, 'faults could not be learned');
      }
    }
  }

  async #learn(point: string): Promise<void> {
    const { machines, modelStore, trainer, store, clock, scorer, announcer, newId } = this.#deps;
    const memory = this.#deps.cases();
    const healthy = memory.healthyOf(point);
    const { machineClass, quantity } = machines.contextOf(point);
    const cases = memory.of(machineClass, quantity).flatMap(({ point: at, label, features, examples }) => {
      const there = memory.healthyOf(at);
      return there === undefined ? [] : [{ label, features, examples, scaler: there.scaler }];
    });
    const enough = cases.some(({ label }) => cases.filter((of) => of.label === label).length >= LEAST_CASES);
    if (healthy === undefined || !enough) return;
    const name = modelNameOf(point, 'faults');
    const version = nextVersion(await modelStore.list(), name);
    const signal = parseSignal(await store.document(signalKey(point)));
    const to = await modelStore.createStaging();
    const from = {
      ...{ name, version, quantity: signal?.quantity ?? quantity },
      ...(signal === undefined
        ? {}
        : { unit: signal.unit, sampleRateHz: signal.sampleRateHz, blockSamples: signal.blockSamples }),
      data: `${cases.length} labelled cases of machines of class ${machineClass} and ${healthy.windows.length} healthy windows of ${point}`,
      terms: OWN_DATA_TERMS,
      createdAt: new Date(clock.nowMs()).toISOString(),
    };
    const result = await trainer.nameFaults({ healthy, cases, from, to }).catch(async (thrown) => {
      await rm(to, { recursive: true, force: true });
      throw thrown;
    });
    const model = await modelStore.admit(to);
    await scorer.load(model);
    const replaced = this.#models.get(point);
    const next = new Map(this.#models).set(point, model.key);
    const counted = Object.entries(result.cases)
      .map(([label, n]) => `${label} (${n})`)
      .join(', ');
    await announcer.fact(
      'RetrainCompleted',
      {
        ...{ point, model: model.name, version: model.version, replaced: replaced ?? null },
        ...result,
        message: `${model.key} names faults of ${point} by labelled cases: ${counted}; left out one by one ${Math.round(100 * result.accuracy)} % are named right`,
        time: new Date(clock.nowMs()).toISOString(),
      },
      newId(),
      [{ key: DOCUMENT, document: [...next].map(([of, key]) => ({ point: of, key })) }],
    );
    this.#models.set(point, model.key);
    if (replaced !== undefined) await scorer.release(replaced);
    await this.#deps.onLearned(model.name);
  }
}

const first = (points: ReadonlySet<string>): string | undefined => points.values().next().value;

import type { Actor } from '../../alarms/engine.js';
import type { Clock, Timer } from '../../base/clock.js';
import { SmEdgeError, toErrorRecord, toSmEdgeError } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { CommissioningConfig } from '../../scoring/learning/config.js';
import type { ModelManifest } from '../../scoring/manifest.js';
import { matches } from '../../scoring/selection.js';
import { pointParts } from '../../signals/point.js';
import type { Store } from '../../storage/store.js';
import type { Announcer } from '../announcements/announcer.js';
import type { MachineRegistry } from '../machines/machines.js';
import type { PointBoard } from '../machines/point-board.js';
import type { LearningView } from '../machines/snapshot.js';
import { DriftWatch } from './drift-watch.js';
import { afterError, held, observe, type SeenWindow } from './observe.js';
import { type CommissioningRecord, healthySum, isOpen, newRecord } from './record.js';
import { CommissioningRecords } from './records.js';
import type { Retraining } from './retraining.js';
import { sentenceOf } from './sentence.js';

export interface CommissioningDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly newId: NewId;
  readonly store: Pick<Store, 'documents' | 'save'>;
  readonly announcer: Pick<Announcer, 'fact'>;
  readonly machines: Pick<MachineRegistry, 'contextOf'>;
  readonly board: Pick<PointBoard, 'points' | 'point'>;
  readonly diagnose: (point: string) => Promise<Diagnosis | undefined>;
  readonly retraining: Retraining;
  /** Of a model in use, by `NAME/VERSION`. */
  readonly manifestOf: (model: string) => ModelManifest | undefined;
  readonly config: CommissioningConfig;
}

/** What a person asks for. */
export interface CommissionRequest extends Actor {
  /** Healthy running time, milliseconds. */
  readonly healthyMs?: number;
}

const TICK_MS = 1_000;
/** A diagnosis with less confidence holds nothing up. */
const LEAST_CONFIDENCE = 0.5;
const DIAGNOSE_AFTER = 30;

/** Learning of points while the daemon runs: it counts healthy hours, has them learned, and takes the model into use. */
export class Commissioning {
  readonly #deps: CommissioningDeps;
  readonly #records: CommissioningRecords;
  readonly #lastMs = new Map<string, number>();
  readonly #drift = new DriftWatch();
  readonly #trained;
  /** In force. */
  config: CommissioningConfig;
  #timer: Timer | undefined;
  #working: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(deps: CommissioningDeps) {
    this.#deps = deps;
    this.#records = new CommissioningRecords(deps);
    this.config = deps.config;
    this.#trained = deps.metrics.counter(
      'sm_edge_learning_trainings_total',
      'Trainings of points, by outcome (the code of an error, `taken`, `kept`).',
      ['outcome'],
    );
  }

  /** Takes up what was under way before the restart. */
  restore(): Promise<void> {
    return this.#records.restore();
  }

  start(): void {
    this.#timer = this.#deps.clock.setTimer('commissioning', TICK_MS, () => {
      this.#working = this.#tick().catch((thrown) => {
        this.#deps.logger.error({ error: toErrorRecord(thrown) }, 'the learning of points is disturbed');
      });
      void this.#working.then(() => {
        if (!this.#stopping) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#timer?.cancel();
    this.#deps.retraining.stop();
    await this.#working;
    await this.#records.save();
  }

  reconfigure(config: CommissioningConfig): void {
    this.config = config;
  }

  /** All points that are or were learned, by name. */
  list(): CommissioningRecord[] {
    return this.#records.list();
  }

  /** What goes on now, to be shown. */
  views(): LearningView[] {
    return this.list()
      .filter(isOpen)
      .map((record) => ({ point: record.point, state: record.state, message: sentenceOf(record) }));
  }

  /** A window was analysed. */
  window(window: SeenWindow): void {
    const { point, timeMs, durationMs } = window;
    const record = this.#records.get(point);
    if (record?.state === 'in-use') this.#watchDrift(record, window);
    if (record?.state !== 'collecting') return;
    const lastMs = this.#lastMs.get(point) ?? Number.NEGATIVE_INFINITY;
    this.#lastMs.set(point, timeMs);
    // Windows may overlap: no time counts twice.
    const fresh = Math.max(0, Math.min(durationMs, timeMs - lastMs));
    const vouched = record.vouchedBy !== undefined && window.trouble !== 'somebody works on the machine';
    const { trouble, ...seen } = { ...window, durationMs: fresh };
    const next = observe(record, { ...seen, trouble: vouched ? undefined : trouble });
    this.#records.put(next);
    if (next.state === 'held') this.#follow(this.#askFor(next));
  }

  /** Whether windows of the point are wanted: they are counted, or watched for drift. */
  wants(point: string): boolean {
    const state = this.#records.get(point)?.state;
    return state === 'collecting' || (state === 'in-use' && this.config.retrain.drift !== undefined);
  }

  /**
   * Begins to learn a point, or all waveform points of a machine.
   * @throws SmEdgeError `COMMISSIONING_UNKNOWN`, `COMMISSIONING_STATE`
   */
  async begin(target: string, request: CommissionRequest): Promise<CommissioningRecord[]> {
    const points = this.#pointsOf(target);
    const under = points.filter((point) => {
      const record = this.#records.get(point);
      return record !== undefined && isOpen(record);
    });
    if (under.length > 0)
      throw new SmEdgeError('COMMISSIONING_STATE', `${under.join(', ')}: is being learned already`, {
        hint: `"sm-edge commission list" shows how far; "sm-edge commission stop ${under[0]}" ends it`,
      });
    const neededMs = request.healthyMs ?? this.config.healthy;
    return Promise.all(points.map((point) => this.#begin(point, request.by, neededMs)));
  }

  /** Ends the learning of a point or machine; a learned model stays in use. @throws SmEdgeError as `begin` */
  async end(target: string, actor: Actor): Promise<CommissioningRecord[]> {
    const open = this.#records.of(target, isOpen, 'is not being learned');
    return Promise.all(
      open.map(async (record) => {
        if (record.state === 'training') this.#deps.retraining.stop();
        const state = record.model === undefined ? 'stopped' : 'in-use';
        return this.#records.change({ ...record, state, says: `stopped by ${actor.by}` });
      }),
    );
  }

  /** A person says that the machine is healthy. @throws SmEdgeError as `begin` */
  async accept(target: string, actor: Actor): Promise<CommissioningRecord[]> {
    const open = this.#records.of(target, isOpen, 'is not being learned');
    return Promise.all(
      open.map(async (record) => {
        const accepted: CommissioningRecord = {
          ...record,
          ...(record.state === 'held' ? { state: 'collecting' as const } : {}),
          vouchedBy: actor.by,
          says: '',
        };
        const note = actor.note === undefined ? '' : `: ${actor.note}`;
        const message = `${actor.by} says that ${record.point} is healthy as it is${note}`;
        return this.#records.change(accepted, 'HumanDecisionSubmitted', {
          ...actor,
          decision: 'accept',
          message,
        });
      }),
    );
  }

  /**
   * Goes back to what was in use before the learned model.
   * @throws SmEdgeError `COMMISSIONING_UNKNOWN`, `COMMISSIONING_STATE` where nothing was learned
   */
  async rollback(target: string, actor: Actor): Promise<CommissioningRecord[]> {
    const learned = this.#records.of(target, ({ model }) => model !== undefined, 'has no learned model');
    const done: CommissioningRecord[] = [];
    for (const record of learned) {
      const { model, former, states: _states, ...rest } = record;
      const back: CommissioningRecord = {
        ...rest,
        ...(former == null ? {} : { model: former }),
        state: former == null ? 'stopped' : 'in-use',
        sinceMs: this.#deps.clock.nowMs(),
        says: `${model!.name}/${model!.version} was taken out of use by ${actor.by}`,
      };
      await this.#deps.retraining.putBack(back, model!, former ?? undefined, actor);
      this.#records.put(back);
      done.push(back);
    }
    return done;
  }

  #watchDrift(record: CommissioningRecord, { state, trouble, timeMs, features }: SeenWindow): void {
    const { model, point } = record;
    const limit = this.config.retrain.drift;
    if (limit === undefined || model === undefined || state === undefined || trouble !== undefined) return;
    const key = `${model.name}/${model.version}`;
    const manifest = () => this.#deps.manifestOf(key);
    const psi = this.#drift.add(point, key, timeMs, features, manifest, state);
    if (psi !== undefined && psi >= limit) this.#records.put({ ...record, driftSinceMs: timeMs });
  }

  async #begin(point: string, by: string, neededMs: number): Promise<CommissioningRecord> {
    const nowMs = this.#deps.clock.nowMs();
    this.#records.admit(point);
    this.#lastMs.delete(point);
    return this.#records.change(newRecord(point, by, neededMs, nowMs, this.#records.get(point)));
  }

  async #tick(): Promise<void> {
    await this.#autoStart();
    for (const record of this.#records.list()) {
      if (this.#stopping) return;
      if (record.state === 'in-use') await this.#retrainWhere(record);
      if (record.state === 'collecting') await this.#diagnoseOnce(record);
    }
    const ready = this.list().find(
      (record) => record.state === 'collecting' && healthySum(record) >= record.neededMs,
    );
    if (ready !== undefined && !this.#stopping) await this.#learn(ready);
    await this.#records.saveWhereDue();
  }

  async #autoStart(): Promise<void> {
    const { board, machines } = this.#deps;
    for (const { point, sampleRateHz } of this.config.learn.length === 0 ? [] : board.points()) {
      if (sampleRateHz === undefined || this.#records.get(point) !== undefined) continue;
      const { machineClass, quantity } = machines.contextOf(point);
      const rule = this.config.learn.find(({ for: scope }) =>
        matches(scope, { point, machineClass, quantity, features: [] }),
      );
      if (rule !== undefined) await this.#begin(point, 'config', rule.healthy);
    }
  }

  /** Drift or time: learned anew from the hours that follow. */
  async #retrainWhere(record: CommissioningRecord): Promise<void> {
    const why = this.#deps.retraining.due(record, this.config.retrain);
    if (why !== undefined) await this.#begin(record.point, why, record.neededMs);
  }

  /** Physics is asked early: nobody wants to hear after a day that the bearing is broken. */
  async #diagnoseOnce(record: CommissioningRecord): Promise<void> {
    if (record.diagnosed || record.vouchedBy !== undefined || record.windows < DIAGNOSE_AFTER) return;
    const found = await this.#deps.diagnose(record.point).catch(() => undefined);
    const now = this.#records.get(record.point);
    if (found === undefined || now?.state !== 'collecting') return;
    const { fault, confidence, sentence } = found;
    const asked = { ...now, diagnosed: true };
    if (fault === 'normal' || fault === 'unknown' || confidence < LEAST_CONFIDENCE)
      return this.#records.put(asked);
    await this.#askFor(held(asked, this.#deps.clock.nowMs(), `its diagnosis is ${fault}: ${sentence}`));
  }

  async #askFor(record: CommissioningRecord): Promise<void> {
    await this.#records.change(record, 'HumanDecisionRequested', { decision: 'is it healthy?' });
  }

  async #learn(record: CommissioningRecord): Promise<void> {
    const { retraining, logger } = this.#deps;
    const training = await this.#records.change({ ...record, state: 'training', progress: 0, says: '' });
    try {
      const next = await retraining.learn(training, this.config, (progress) => {
        const now = this.#records.get(record.point);
        if (now?.state === 'training') this.#records.show({ ...now, progress });
      });
      this.#trained.inc({ outcome: next.taken ? 'taken' : 'kept' });
      this.#records.put(next.record);
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'TRAINING');
      this.#trained.inc({ outcome: error.code });
      // Stopped by a person or with the gateway: the record says which.
      if (error.code === 'TRAINING_STOPPED') {
        const now = this.#records.get(record.point);
        if (now?.state === 'training') this.#records.put({ ...now, state: 'collecting' });
        return;
      }
      logger.warn({ point: record.point, error: toErrorRecord(error) }, 'a point could not be learned');
      await this.#afterFailure(training, error);
    }
  }

  async #afterFailure(record: CommissioningRecord, error: SmEdgeError): Promise<void> {
    if (error.code === 'MACHINE_NOT_HEALTHY') {
      await this.#askFor(held(record, this.#deps.clock.nowMs(), error.message));
      return;
    }
    const next = afterError(record, error);
    await this.#records.change(next, 'RetrainFailed', {
      code: error.code,
      message: `${record.point}: ${next.says}`,
    });
  }

  #pointsOf(target: string): string[] {
    const waveforms = this.#deps.board
      .points()
      .filter(({ sampleRateHz }) => sampleRateHz !== undefined)
      .map(({ point }) => point);
    const points = waveforms.filter((point) => point === target || pointParts(point).machine === target);
    if (points.length > 0) return points;
    throw new SmEdgeError('COMMISSIONING_UNKNOWN', `no waveform has come from ${target}`, {
      hint: `name a point or a machine: ${waveforms.slice(0, 20).join(', ') || 'nothing has come yet'}`,
    });
  }

  #follow(work: Promise<unknown>): void {
    work.catch((thrown) => {
      this.#deps.logger.error({ error: toErrorRecord(thrown) }, 'a change of the learning could not be told');
    });
  }
}

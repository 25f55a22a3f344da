import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { GatewayIdentity, LocalModel } from '../part.js';
import {
  MAX_KEY_LENGTH,
  MAX_PARAM_LENGTH,
  MAX_PARAMS_PER_BATCH,
  MAX_TAG_LENGTH,
  MAX_TAGS_PER_BATCH,
  type MlflowClient,
  type Pair,
  type Run,
} from './client.js';

/** Tag by which a gateway finds its run again. */
export const RUN_KEY_TAG = 'sm_edge.run_key';

/**
 * One run per gateway and model version. It is found by its tag, so that neither a restart nor a lost answer makes
 * a second one. Params say what held when the run began (MLflow never changes a param); tags say what holds now.
 */
export class RunDirectory {
  readonly #client: MlflowClient;
  readonly #experimentName: string;
  readonly #identity: () => GatewayIdentity;
  readonly #clock: Clock;
  readonly #runs = new Map<string, Run>();
  readonly #opening = new Map<string, Promise<Run>>();
  #experimentId: string | undefined;
  /** Tags as this process wrote them last, per run. */
  readonly #written = new Map<string, string>();

  constructor(client: MlflowClient, experiment: string, identity: () => GatewayIdentity, clock: Clock) {
    this.#client = client;
    this.#experimentName = experiment;
    this.#identity = identity;
    this.#clock = clock;
  }

  /** The run of a model version, made where there is none, with its params and tags up to date. */
  open(model: LocalModel): Promise<Run> {
    const identity = this.#identity();
    const key = runKey(identity.gatewayId, model);
    // Two uploads at a time must not make two runs.
    const opening = this.#opening.get(key);
    if (opening !== undefined) return opening;
    const opened = this.#open(key, model, identity).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opened);
    return opened;
  }

  async #open(key: string, model: LocalModel, identity: GatewayIdentity): Promise<Run> {
    const run = this.#runs.get(key) ?? (await this.#findOrCreate(key, model, identity));
    await this.#describe(run, model, identity);
    this.#runs.set(key, run);
    return run;
  }

  /** Forgets what was found, because the server says that it is gone. */
  forget(): void {
    this.#experimentId = undefined;
    this.#runs.clear();
    this.#written.clear();
  }

  async #findOrCreate(key: string, model: LocalModel, identity: GatewayIdentity): Promise<Run> {
    this.#experimentId ??= await this.#experiment();
    // The first created wins where a lost answer left two: every gateway process decides the same way.
    const found = (await this.#client.runsByTag(this.#experimentId, RUN_KEY_TAG, key))[0];
    if (found !== undefined) return found;
    return this.#client.createRun({
      experimentId: this.#experimentId,
      name: `${identity.gatewayId} ${model.name} ${model.version}`.slice(0, 250),
      startTimeMs: this.#clock.nowMs(),
      tags: [{ key: RUN_KEY_TAG, value: key }],
    });
  }

  async #experiment(): Promise<string> {
    const name = this.#experimentName;
    const found = await this.#client.experimentByName(name);
    if (found === undefined) {
      try {
        return await this.#client.createExperiment(name);
      } catch (thrown) {
        // Another gateway of the site was quicker.
        const isThere =
          thrown instanceof SmEdgeError && thrown.details.errorCode === 'RESOURCE_ALREADY_EXISTS'
            ? await this.#client.experimentByName(name)
            : undefined;
        if (isThere === undefined) throw thrown;
        return isThere.experiment_id;
      }
    }
    if (found.lifecycle_stage === 'deleted') {
      throw new SmEdgeError('MLFLOW_EXPERIMENT_DELETED', `the experiment ${name} was deleted in MLflow`, {
        hint: `restore it (mlflow experiments restore --experiment-id ${found.experiment_id}) or name another one`,
      });
    }
    return found.experiment_id;
  }

  async #describe(run: Run, model: LocalModel, identity: GatewayIdentity): Promise<void> {
    const runId = run.info.run_id;
    const tags = currentTags(model, identity);
    const fingerprint = JSON.stringify(tags);
    if (this.#written.get(runId) === fingerprint) return;
    const known = new Set(run.data.params.map((param) => param.key));
    const params = initialParams(model, identity).filter((param) => !known.has(param.key));
    for (const chunk of chunks(params, MAX_PARAMS_PER_BATCH)) {
      await this.#client.logBatch(runId, { params: chunk });
      // Remembered at once: a nameplate that changes later must not be sent as a param again.
      run.data.params.push(...chunk);
    }
    for (const chunk of chunks(tags, MAX_TAGS_PER_BATCH)) await this.#client.logBatch(runId, { tags: chunk });
    this.#written.set(runId, fingerprint);
  }
}

/** A digest, since names may hold what a search filter cannot. */
export const runKey = (gatewayId: string, model: LocalModel): string =>
  createHash('sha256')
    .update(JSON.stringify([gatewayId, model.name, model.version]))
    .digest('hex')
    .slice(0, 32);

function initialParams(model: LocalModel, identity: GatewayIdentity): Pair[] {
  const fixed = {
    'gateway.id': identity.gatewayId,
    'gateway.site': identity.site,
    'model.name': model.name,
    'model.version': model.version,
    'program.version': identity.programVersion,
    'config.hash': identity.configHash,
  };
  const nameplates = identity.machines.flatMap((machine) => [
    [`machine.${machine.id}.class`, machine.class] as const,
    ...Object.entries(machine.nameplate).map(
      ([field, value]) => [`machine.${machine.id}.${field}`, textOf(value)] as const,
    ),
  ]);
  return pairs([...Object.entries(fixed), ...nameplates], MAX_PARAM_LENGTH);
}

function currentTags(model: LocalModel, identity: GatewayIdentity): Pair[] {
  const fixed = {
    'sm_edge.gateway_id': identity.gatewayId,
    'sm_edge.site': identity.site,
    'sm_edge.model': `${model.name}/${model.version}`,
    'sm_edge.program_version': identity.programVersion,
    'sm_edge.config_hash': identity.configHash,
  };
  const machines = identity.machines.map(
    (machine) =>
      [`sm_edge.machine.${machine.id}`, textOf({ class: machine.class, ...machine.nameplate })] as const,
  );
  return pairs([...Object.entries(fixed), ...machines], MAX_TAG_LENGTH);
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');

const pairs = (entries: readonly (readonly [string, string])[], maxLength: number): Pair[] =>
  entries
    .filter(([, value]) => value !== '')
    .map(([key, value]) => ({
      key: key.replace(/[^A-Za-z0-9_.:/ -]/g, '_').slice(0, MAX_KEY_LENGTH),
      value: value.slice(0, maxLength),
    }));

export function* chunks<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { ModelBindingStatus, ModelOrigin, SyncDeps } from '../part.js';
import type { ArtifactFile, Artifacts } from './artifacts.js';
import { MAX_TAG_LENGTH, type MlflowClient, type ModelVersion } from './client.js';
import type { MlflowConfig, ModelBinding } from './config.js';
import { ModelState } from './model-state.js';

/** A model's folder: a file for the model, its manifest, what a Python flavour adds. */
const LIST_LIMITS = { maxFiles: 64, maxDepth: 3 };

/**
 * Brings registered models down: looks where each alias points, stages the version's files, hands them to the
 * model store and puts them into use. Until that has succeeded the model that is in use stays.
 */
export class ModelPuller {
  readonly #client: MlflowClient;
  readonly #artifacts: Artifacts;
  readonly #config: MlflowConfig;
  readonly #deps: SyncDeps;
  readonly #state: ModelState;
  readonly #staging: string;
  readonly #status = new Map<string, ModelBindingStatus>();

  constructor(client: MlflowClient, artifacts: Artifacts, config: MlflowConfig, deps: SyncDeps) {
    this.#client = client;
    this.#artifacts = artifacts;
    this.#config = config;
    this.#deps = deps;
    this.#state = new ModelState(deps.dataDir);
    this.#staging = path.join(deps.dataDir, 'staging');
    for (const binding of config.models) this.#note(binding, { state: 'unknown' });
  }

  get status(): readonly ModelBindingStatus[] {
    return [...this.#status.values()];
  }

  /** Puts into use what came down before this start: needs no network. */
  async restore(): Promise<void> {
    const { logger, models } = this.#deps;
    const { damaged } = await this.#state.load();
    if (damaged) logger.warn('the record of models that came down is unreadable; they are fetched again');
    for (const binding of this.#config.models) {
      const { active } = this.#state.get(keyOf(binding));
      if (active === undefined) continue;
      try {
        await models.activate(active.local, binding.for, withoutUndefined(active.origin));
        this.#note(binding, { state: 'active', version: active.origin.version, local: active.local });
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        logger.warn({ code: error.code, model: active.local }, `cannot use a model again: ${error.message}`);
        await this.#state.set(keyOf(binding), {});
      }
    }
  }

  /** Looks at every alias once; throws the first error that time may mend, after all were looked at. */
  async poll(): Promise<void> {
    let failure: SmEdgeError | undefined;
    // One look per alias, however many bindings put it to use.
    const aliases = new Map(this.#config.models.map((binding) => [keyOf(binding), binding]));
    for (const binding of aliases.values()) {
      try {
        await this.#follow(binding);
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        failure ??= error;
        if (this.#status.get(keyOf(binding))?.state !== 'active') {
          this.#note(binding, { state: 'unavailable', reason: error.message });
        }
      }
    }
    if (failure !== undefined) throw failure;
  }

  async #follow(binding: ModelBinding): Promise<void> {
    const version = await this.#client.versionByAlias(binding.name, binding.alias);
    const known = this.#state.get(keyOf(binding));
    if (version === undefined) return this.#absent(binding, known.active !== undefined);
    if (version.status !== 'READY') return;
    if (known.active?.origin.version === version.version) {
      this.#note(binding, { state: 'active', version: version.version, local: known.active.local });
      return;
    }
    const { refused } = known;
    const isJudged =
      refused?.version === version.version && refused.programVersion === this.#deps.identity().programVersion;
    if (isJudged) {
      this.#noteRefused(binding, version, refused.message);
      return;
    }
    await this.#bringIn(binding, version);
  }

  /** An alias that is gone changes nothing here: the model in use stays. */
  #absent(binding: ModelBinding, hasActive: boolean): void {
    const reason = `MLflow has no model ${binding.name} with the alias ${binding.alias}`;
    if (!hasActive) this.#note(binding, { state: 'unavailable', reason });
  }

  async #bringIn(binding: ModelBinding, version: ModelVersion): Promise<void> {
    const { models, logger } = this.#deps;
    const folder = path.join(this.#staging, stagingName(version));
    try {
      const source = await this.#client.downloadUri(version.name, version.version);
      const origin: ModelOrigin = {
        registeredName: version.name,
        version: version.version,
        alias: binding.alias,
        source,
        ...(version.run_id === '' ? {} : { runId: version.run_id }),
      };
      await this.#stage(folder, source);
      const { name, version: localVersion } = await models.admit(folder, origin);
      const local = { name, version: localVersion };
      for (const bound of this.#config.models.filter((other) => keyOf(other) === keyOf(binding)))
        await models.activate(local, bound.for, origin);
      await this.#state.set(keyOf(binding), { active: { local, origin } });
      this.#note(binding, { state: 'active', version: version.version, local });
      this.#count('activated');
      logger.info({ model: local, registered: version.name, version: version.version }, 'model put into use');
    } catch (thrown) {
      const error = toSmEdgeError(thrown);
      // A half-done download stays, to be continued.
      if (error.retryable || isAboutTheLink(error)) throw error;
      await this.#refuse(binding, version, error);
    }
    await rm(folder, { recursive: true, force: true });
    const status = this.#status.get(keyOf(binding));
    if (status !== undefined) this.#deps.onModel(status);
    await this.#report(version, status);
  }

  async #stage(folder: string, source: string): Promise<void> {
    await this.#dropOtherStages(folder);
    const location = await this.#artifacts.locate(source);
    const files = await this.#artifacts.list(location, LIST_LIMITS);
    if (files.length === 0) {
      throw new SmEdgeError('MLFLOW_MODEL_EMPTY', `there are no files at ${source}`, {
        hint: 'register the folder that holds model.onnx and manifest.json',
      });
    }
    let leftBytes = this.#config.maxModelSize;
    if (totalBytes(files) > leftBytes) throw tooLarge(leftBytes);
    for (const file of files) {
      const target = path.join(folder, ...file.path.split('/'));
      leftBytes -= await this.#artifacts.download(`${location}/${file.path}`, target, leftBytes);
    }
  }

  /** What an earlier version left half-done. */
  async #dropOtherStages(folder: string): Promise<void> {
    const prefix = path.basename(folder).replace(/-[^-]*$/, '');
    const found = await readdir(this.#staging).catch(() => []);
    const others = found.filter((name) => name.startsWith(`${prefix}-`) && name !== path.basename(folder));
    for (const name of others) await rm(path.join(this.#staging, name), { recursive: true, force: true });
  }

  async #refuse(binding: ModelBinding, version: ModelVersion, error: SmEdgeError): Promise<void> {
    const known = this.#state.get(keyOf(binding));
    const { programVersion } = this.#deps.identity();
    const message = `${error.code}: ${error.message}`;
    await this.#state.set(keyOf(binding), {
      ...known,
      refused: { version: version.version, programVersion, code: error.code, message },
    });
    this.#noteRefused(binding, version, message);
    this.#count('refused');
    this.#deps.logger.error(
      { registered: version.name, version: version.version, code: error.code, hint: error.hint },
      `model refused, the one in use stays: ${error.message}`,
    );
  }

  /** Tells the data scientist, as a tag of the version; a gateway that may not write there goes on. */
  async #report(version: ModelVersion, status: ModelBindingStatus | undefined): Promise<void> {
    if (status === undefined) return;
    const value = status.state === 'refused' ? `refused: ${status.reason}` : status.state;
    const key = `sm_edge.gateway.${this.#deps.identity().gatewayId}`;
    try {
      await this.#client.setVersionTag(version.name, version.version, {
        key,
        value: value.slice(0, MAX_TAG_LENGTH),
      });
    } catch (thrown) {
      const { code, message } = toSmEdgeError(thrown);
      this.#deps.logger.info({ code, registered: version.name }, `the verdict is not in MLflow: ${message}`);
    }
  }

  /** `local` is the model that stays in use. */
  #noteRefused(binding: ModelBinding, { version }: ModelVersion, reason: string): void {
    const local = this.#state.get(keyOf(binding)).active?.local;
    this.#note(binding, { state: 'refused', version, reason, ...(local === undefined ? {} : { local }) });
  }

  #note(
    binding: ModelBinding,
    status: Pick<ModelBindingStatus, 'state' | 'version' | 'local' | 'reason'>,
  ): void {
    this.#status.set(keyOf(binding), { registeredName: binding.name, alias: binding.alias, ...status });
  }

  #count(outcome: 'activated' | 'refused'): void {
    this.#deps.metrics
      .counter('sm_edge_sync_models_total', 'model versions that came down', ['outcome'])
      .inc({ outcome });
  }
}

const keyOf = (binding: ModelBinding): string => `${binding.name}@${binding.alias}`;

/** The name is free text, so its digest names the folder; the version ends it. */
const stagingName = ({ name, version }: ModelVersion): string =>
  `${createHash('sha256').update(name).digest('hex').slice(0, 16)}-${version}`;

const totalBytes = (files: readonly ArtifactFile[]): number =>
  files.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0);

/** Login and permission, not the model: nothing is said about the version. */
const isAboutTheLink = (error: SmEdgeError): boolean =>
  [
    'MLFLOW_UNAUTHORIZED',
    'MLFLOW_FORBIDDEN',
    'MLFLOW_TLS',
    'MLFLOW_REDIRECTED',
    'MLFLOW_BAD_ANSWER',
  ].includes(error.code);

const tooLarge = (maxBytes: number): SmEdgeError =>
  new SmEdgeError('MLFLOW_MODEL_TOO_LARGE', `the model version has more than ${maxBytes} bytes`, {
    hint: 'raise sync.mlflow.maxModelSize if it is meant to be that large',
  });

const withoutUndefined = (
  origin: Omit<ModelOrigin, 'runId'> & { runId?: string | undefined },
): ModelOrigin => {
  const { runId, ...rest } = origin;
  return runId === undefined ? rest : { ...rest, runId };
};

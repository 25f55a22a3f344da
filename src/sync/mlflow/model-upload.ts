import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { SmEdgeError } from '../../base/errors.js';
import type { Artifacts } from './artifacts.js';
import { MAX_TAG_LENGTH, type MlflowClient, type Pair } from './client.js';
import type { ModelPayload } from './rows.js';
import type { RunDirectory } from './runs.js';

const FILES = ['manifest.json', 'model.onnx'] as const;
const FOLDER = 'model';
const MAX_DESCRIPTION = 4000;

/**
 * Registers a model that was learned here: its files as artifacts of the run of that version, then a new version of
 * the registered model. What an earlier attempt brought there is not sent again, and a version is made once: it is
 * found by its run.
 */
export class ModelUpload {
  readonly #client: MlflowClient;
  readonly #artifacts: Artifacts;
  readonly #runs: RunDirectory;

  constructor(client: MlflowClient, artifacts: Artifacts, runs: RunDirectory) {
    this.#client = client;
    this.#artifacts = artifacts;
    this.#runs = runs;
  }

  /** @throws SmEdgeError `MLFLOW_MODEL_GONE` where its files are not here any more; what the server says */
  async send({ model, registeredName, folder, description, tags }: ModelPayload): Promise<void> {
    const run = await this.#runs.open(model);
    const { run_id: runId, artifact_uri: home } = run.info;
    const location = `${await this.#artifacts.locate(home)}/${FOLDER}`;
    const there = new Map(
      (await this.#artifacts.list(location, { maxFiles: 100, maxDepth: 1 }).catch(absentAsEmpty)).map(
        ({ path: file, sizeBytes }) => [file, sizeBytes],
      ),
    );
    for (const file of FILES) {
      const body = await readFile(path.join(folder, file)).catch((cause) => {
        throw new SmEdgeError('MLFLOW_MODEL_GONE', `${path.join(folder, file)} cannot be read`, {
          cause,
          hint: 'the model was removed from the model store before it could be sent',
        });
      });
      if (there.get(file) === body.length) continue;
      await this.#artifacts.upload(`${location}/${file}`, body, {
        contentType: 'application/octet-stream',
        sizeBytes: body.length,
      });
    }
    const about = pairsOf(tags);
    const text = description.slice(0, MAX_DESCRIPTION);
    await this.#client.ensureRegisteredModel(registeredName, text, about);
    if ((await this.#client.versionOfRun(registeredName, runId)) !== undefined) return;
    await this.#client.createVersion({
      name: registeredName,
      source: `${home}/${FOLDER}`,
      runId,
      description: text,
      tags: [...about, { key: 'sm_edge.version', value: model.version }],
    });
  }
}

const pairsOf = (tags: Readonly<Record<string, string>>): Pair[] =>
  Object.entries(tags).map(([key, value]) => ({ key, value: value.slice(0, MAX_TAG_LENGTH) }));

/** A folder that is not there yet has no files; some artifact stores say so with an error. */
function absentAsEmpty(thrown: unknown): [] {
  if (thrown instanceof SmEdgeError && !thrown.retryable) return [];
  throw thrown;
}

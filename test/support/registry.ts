import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import type { MlflowServer } from './mlflow.js';

const BUNDLED = resolve(import.meta.dirname, '../../models/vibration-anomaly/1');

/** The files of a model version: name to content. */
export type ModelFiles = Readonly<Record<string, Buffer>>;

/** The bundled model under another name and version, with another threshold. */
export async function modelFiles(name: string, version: string, threshold: number): Promise<ModelFiles> {
  const manifest = JSON.parse(await readFile(join(BUNDLED, 'manifest.json'), 'utf8'));
  return {
    'manifest.json': Buffer.from(
      JSON.stringify({ ...manifest, name, version, threshold: { ...manifest.threshold, value: threshold } }),
    ),
    'model.onnx': await readFile(join(BUNDLED, 'model.onnx')),
  };
}

/** The same files, but for one bit of the model that flipped after the manifest was written. */
export function corrupted(files: ModelFiles): ModelFiles {
  const model = Buffer.from(files['model.onnx']!);
  model[model.length >> 1]! ^= 1;
  return { ...files, 'model.onnx': model };
}

/** Logs the files in a run of their own, registers them as the next version and points the alias to it. */
export async function registerVersion(
  server: MlflowServer,
  name: string,
  alias: string,
  files: ModelFiles,
): Promise<string> {
  const { run } = await server.api<{ run: { info: { run_id: string; artifact_uri: string } } }>(
    'POST',
    'mlflow/runs/create',
    { experiment_id: '0', start_time: Date.now() },
  );
  const source = `${run.info.artifact_uri}/model`;
  const location = source.replace(/^mlflow-artifacts:\/+/, '');
  for (const [file, body] of Object.entries(files)) {
    const answer = await request(`${server.uri}/api/2.0/mlflow-artifacts/artifacts/${location}/${file}`, {
      method: 'PUT',
      body,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${file}: ${answer.statusCode} ${text.slice(0, 500)}`);
  }
  await server.api('POST', 'mlflow/registered-models/create', { name }).catch((error: Error) => {
    if (!error.message.includes('RESOURCE_ALREADY_EXISTS')) throw error;
  });
  const { model_version: made } = await server.api<{ model_version: { version: string } }>(
    'POST',
    'mlflow/model-versions/create',
    { name, source, run_id: run.info.run_id },
  );
  await pointAlias(server, name, alias, made.version);
  return made.version;
}

export async function pointAlias(
  server: MlflowServer,
  name: string,
  alias: string,
  version: string,
): Promise<void> {
  await server.api('POST', 'mlflow/registered-models/alias', { name, alias, version });
}

/** What the gateway says of a version, as a tag of it. */
export async function verdictOf(
  server: MlflowServer,
  name: string,
  version: string,
  gatewayId: string,
): Promise<string | undefined> {
  const { model_version: found } = await server.api<{
    model_version: { tags?: { key: string; value: string }[] };
  }>('GET', 'mlflow/model-versions/get', { name, version });
  return found.tags?.find(({ key }) => key === `sm_edge.gateway.${gatewayId}`)?.value;
}

import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelManifest, modelManifestSchema } from '#sm/scoring/manifest.js';
import type { StoredModel } from '#sm/scoring/model-store.js';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';

/** A real little model: score = 2 a + 3 b + 1, with the shares of a and b as contributions. */
export function linearModel(): Uint8Array {
  const graph = new GraphWriter('linear');
  const x = graph.input('features', ['rows', 2]);
  graph.node('Mul', 'shares', [x, graph.constant('weights', [2, 3])]);
  graph.node('ReduceSum', 'sum', ['shares', graph.integers('axis', [1])], { keepdims: 0 });
  graph.node('Add', 'score', ['sum', graph.constant('bias', [1])]);
  graph.output('score', ['rows']);
  graph.output('shares', ['rows', 2]);
  return graph.finish();
}

/** A valid model whose run lasts very long: a chain of large matrix products of the batch with itself. */
export function slowModel(size = 1500, depth = 60): Uint8Array {
  const graph = new GraphWriter('slow');
  const x = graph.input('features', ['rows', 2]);
  graph.node('ReduceSum', 'sum', [x, graph.integers('axes', [0, 1])], { keepdims: 0 });
  graph.node('Expand', 'big0', ['sum', graph.integers('shape', [size, size])]);
  for (let i = 0; i < depth; i++) graph.node('MatMul', `big${i + 1}`, [`big${i}`, `big${i}`]);
  graph.node('ReduceMax', 'largest', [`big${depth}`], { keepdims: 0 });
  graph.node('Mul', 'nothing', ['largest', graph.constant('zero', [0])]);
  graph.node('ReduceSum', 'rowsum', [x, graph.integers('axis', [1])], { keepdims: 0 });
  graph.node('Max', 'score', ['rowsum', 'nothing']);
  graph.output('score', ['rows']);
  return graph.finish();
}

export function manifestOf(model: Uint8Array, changes: Record<string, unknown> = {}): ModelManifest {
  return modelManifestSchema.parse({
    format: 'sm-edge-model/1',
    name: 'linear',
    version: '1',
    task: 'anomaly',
    signal: { quantities: ['acceleration'], unit: 'g', sampleRateHz: { min: 10_000, max: 51_200 } },
    inputs: { kind: 'features', tensor: 'features', features: ['a', 'b'] },
    scaler: { kind: 'in-graph' },
    output: {
      tensor: 'score',
      meaning: '2 a + 3 b + 1',
      anomalous: 'above',
      contributions: { tensor: 'shares', base: [0, 0] },
    },
    threshold: { value: 10, method: 'chosen by hand' },
    training: { data: 'none', terms: 'public domain', samples: 0 },
    golden: {
      vectors: [
        { input: [0, 0], output: 1 },
        { input: [1, -2], output: -3 },
        { input: [0.5, 4], output: 14 },
      ],
    },
    file: {
      name: 'model.onnx',
      sizeBytes: model.length,
      sha256: createHash('sha256').update(model).digest('hex'),
    },
    licence: 'Apache-2.0',
    ...changes,
  });
}

/** Writes a model folder and says where. */
export async function writeModel(dir: string, model: Uint8Array, manifest: unknown): Promise<string> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'model.onnx'), model);
  await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
  return dir;
}

export function storedModel(dir: string, manifest: ModelManifest): StoredModel {
  const { name, version } = manifest;
  return {
    key: `${name}/${version}`,
    name,
    version,
    dir,
    path: join(dir, 'model.onnx'),
    manifest,
    origin: 'local',
  };
}

// Models of realistic size for bench/scoring.js, with weights drawn at random: what they cost does not depend on them.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { seededRandom } from '#sm/base/random.js';
import { modelManifestSchema } from '#sm/scoring/manifest.js';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';

const random = seededRandom(7);
const draw = (count, scale = 0.3) => Array.from({ length: count }, () => (random() - 0.5) * scale);

/** 100 trees of depth 8 over 26 features, as an isolation forest on 256 rows has them. */
export function forest({ trees = 100, depth = 8, features = 26 } = {}) {
  const columns = {
    ...{ nodes_treeids: [], nodes_nodeids: [], nodes_featureids: [], nodes_truenodeids: [] },
    ...{ nodes_falsenodeids: [], nodes_hitrates: [], nodes_missing_value_tracks_true: [] },
  };
  const values = [];
  const modes = [];
  const targets = { target_treeids: [], target_nodeids: [], target_ids: [] };
  const weights = [];
  const inner = 2 ** depth - 1;
  for (let tree = 0; tree < trees; tree++)
    for (let node = 0; node < 2 * inner + 1; node++) {
      const isLeaf = node >= inner;
      columns.nodes_treeids.push(tree);
      columns.nodes_nodeids.push(node);
      columns.nodes_featureids.push(isLeaf ? 0 : Math.floor(random() * features));
      columns.nodes_truenodeids.push(isLeaf ? 0 : 2 * node + 1);
      columns.nodes_falsenodeids.push(isLeaf ? 0 : 2 * node + 2);
      columns.nodes_missing_value_tracks_true.push(0);
      values.push(isLeaf ? 0 : random());
      modes.push(isLeaf ? 'LEAF' : 'BRANCH_LEQ');
      if (!isLeaf) continue;
      targets.target_treeids.push(tree);
      targets.target_nodeids.push(node);
      targets.target_ids.push(0);
      weights.push(depth + random());
    }
  delete columns.nodes_hitrates;
  const graph = new GraphWriter('forest');
  const x = graph.input('features', ['rows', features]);
  graph.treeEnsemble('paths', x, {
    integers: { ...columns, ...targets, n_targets: 1 },
    floats: { nodes_values: values, target_weights: weights },
    strings: { nodes_modes: modes },
  });
  graph.node('Mul', 'score', ['paths', graph.constant('share', [1 / trees])]);
  graph.output('score', ['rows', 1]);
  return { name: 'forest-100', bytes: graph.finish(), ...ofFeatures(features), tensor: 'features' };
}

/** 64-32-8-32-64, with the mean square of the error in the graph. */
export function autoencoder(widths = [64, 32, 8, 32, 64]) {
  const graph = new GraphWriter('autoencoder');
  let at = graph.input('features', ['rows', widths[0]]);
  for (let k = 1; k < widths.length; k++) {
    const w = graph.constant(`w${k}`, draw(widths[k - 1] * widths[k]), [widths[k - 1], widths[k]]);
    graph.node('Gemm', `z${k}`, [at, w, graph.constant(`b${k}`, draw(widths[k]))]);
    at = k === widths.length - 1 ? `z${k}` : graph.node('Relu', `a${k}`, [`z${k}`]);
  }
  graph.node('Sub', 'error', ['features', at]);
  graph.node('Mul', 'squares', ['error', 'error']);
  graph.node('ReduceMean', 'score', ['squares'], { axes: [1], keepdims: 0 });
  graph.output('score', ['rows']);
  return { name: 'autoencoder-64', bytes: graph.finish(), ...ofFeatures(widths[0]), tensor: 'features' };
}

/** Three convolutions over 2,048 samples. */
export function convolution({ samples = 2048, channels = [8, 16, 16] } = {}) {
  const graph = new GraphWriter('convolution');
  let at = graph.input('wave', ['rows', 1, samples]);
  let had = 1;
  channels.forEach((count, k) => {
    const w = graph.constant(`w${k}`, draw(count * had * 9), [count, had, 9]);
    const conv = graph.node('Conv', `c${k}`, [at, w], { kernel_shape: [9], strides: [4], pads: [4, 4] });
    at = graph.node('Relu', `a${k}`, [conv]);
    had = count;
  });
  graph.node('ReduceMean', 'pooled', [at], { axes: [2], keepdims: 0 });
  graph.node('MatMul', 'score', ['pooled', graph.constant('head', draw(had), [had, 1])]);
  graph.output('score', ['rows', 1]);
  return {
    name: 'convolution-2048',
    bytes: graph.finish(),
    inputs: { kind: 'block', tensor: 'wave', samples, normalisation: 'none' },
    width: samples,
    dims: [1, samples],
    tensor: 'wave',
  };
}

/** Nothing but weights: what a reload of several MB leaves behind. */
export function heavy(width = 1024) {
  const graph = new GraphWriter('heavy');
  const x = graph.input('features', ['rows', 4]);
  graph.node('MatMul', 'wide', [x, graph.constant('in', draw(4 * width), [4, width])]);
  graph.node('MatMul', 'wider', ['wide', graph.constant('w', draw(width * width), [width, width])]);
  graph.node('ReduceMean', 'score', ['wider'], { axes: [1], keepdims: 0 });
  graph.output('score', ['rows']);
  return { name: 'heavy', bytes: graph.finish(), ...ofFeatures(4), tensor: 'features' };
}

const ofFeatures = (count) => {
  const features = Array.from({ length: count }, (_, i) => `feature${i}`);
  return { inputs: { kind: 'features', tensor: 'features', features }, width: count, dims: [count] };
};

/** Writes the model as a store has it. */
export function stored(folder, { name, bytes, inputs, width }) {
  const manifest = modelManifestSchema.parse({
    format: 'sm-edge-model/1',
    ...{ name, version: '1', task: 'anomaly', inputs, scaler: { kind: 'in-graph' } },
    signal: { quantities: ['acceleration'], unit: 'g', sampleRateHz: { min: 1, max: 1e6 } },
    output: { tensor: 'score', meaning: 'nothing', anomalous: 'above' },
    threshold: { value: 1, method: 'none' },
    training: { data: 'none', terms: 'none', samples: 0 },
    golden: { vectors: [{ input: new Array(width).fill(0), output: 0 }] },
    file: {
      name: 'model.onnx',
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    },
    licence: 'Apache-2.0',
  });
  const dir = path.join(folder, name, '1');
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, 'model.onnx');
  writeFileSync(file, bytes);
  return { key: `${name}/1`, name, version: '1', dir, path: file, manifest, origin: 'local' };
}

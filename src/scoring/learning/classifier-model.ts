import { type ModelManifest, modelManifestSchema } from '../manifest.js';
import type { FeatureVector } from '../score.js';
import { significant } from '../training/manifest-parts.js';
import { GraphWriter } from '../training/onnx-writer.js';
import {
  classify,
  type FaultClassifier,
  NORMAL_LABEL,
  perDistance,
  UNKNOWN_LABEL,
} from './fault-classifier.js';
import { type LearnedFrom, manifestFrom } from './learned-from.js';
import { addScaler, applyScaler, type Scaler } from './scaler.js';

const MOST_GOLDEN = 12;
/** From this probability of a fault on it is one. */
const THRESHOLD = 0.5;

/**
 * A classifier as a standard ONNX file (opset 13) of `task: classification` and its manifest. The graph holds the scaler
 * of the point, so it takes features as they are.
 * @param rows of the point: healthy windows and cases, for golden vectors and histograms
 */
export function classifierModel(
  classifier: FaultClassifier,
  scaler: Scaler,
  rows: readonly FeatureVector[],
  from: LearnedFrom,
): { readonly model: Uint8Array; readonly manifest: ModelManifest } {
  const { features, labels, accuracy, cases } = classifier;
  const model = graphOf(classifier, scaler);
  const count = Math.min(MOST_GOLDEN, rows.length);
  const golden = Array.from({ length: count }, (_, i) => {
    // Cases come last: they are the more telling ones.
    const row = rows[rows.length - 1 - Math.floor((i * rows.length) / count)]!;
    const input = features.map((name) => significant(row[name]!));
    const rounded = Object.fromEntries(features.map((name, j) => [name, input[j]!]));
    return { input, output: classify(classifier, applyScaler(scaler, rounded)).map(significant) };
  });
  const counted = Object.entries(cases)
    .map(([label, n]) => `${n} of ${label}`)
    .join(', ');
  const manifest = modelManifestSchema.parse({
    ...manifestFrom(from, features, rows, model),
    title: 'Names faults by the nearest labelled cases',
    task: 'classification',
    output: {
      kind: 'classes',
      tensor: 'probabilities',
      labels: [...labels],
      healthy: [NORMAL_LABEL],
      meaning: `Probability of each fault; ${UNKNOWN_LABEL} is one that is like no labelled case.`,
    },
    threshold: {
      value: THRESHOLD,
      method: `A fault where it is the more probable. Cases: ${counted}; left out one after the other ${Math.round(100 * accuracy)} % of them are named right.`,
    },
    golden: { tolerance: 2e-3, vectors: golden },
  });
  return { model, manifest };
}

function graphOf(classifier: FaultClassifier, scaler: Scaler): Uint8Array {
  const { features, labels, map, width, prototypes, limit } = classifier;
  const count = prototypes.length;
  const graph = new GraphWriter('fault-classifier');
  const input = graph.input('features', ['rows', features.length]);
  const z = addScaler(graph, scaler, input);
  const compressed = graph.node('Asinh', 'compressed', [z]);
  const at = graph.node('MatMul', 'at', [
    compressed,
    graph.constant('map', Array.from(map), [features.length, width]),
  ]);
  const apart = graph.node('Unsqueeze', 'apart', [at, graph.integers('middle', [1])]);
  const places = prototypes.flatMap((of) => Array.from(of.at));
  const offsets = graph.node('Sub', 'offsets', [apart, graph.constant('cases', places, [1, count, width])]);
  const squares = graph.node('Mul', 'squares', [offsets, offsets]);
  const distances = graph.node('ReduceSum', 'distances', [squares, graph.integers('last', [2])], {
    keepdims: 0,
  });
  const nearest = labels.slice(0, -1).map((label, k) => {
    const own = prototypes.flatMap((of, i) => (of.label === label ? [i] : []));
    const columns = graph.node('Gather', `of${k}`, [distances, graph.integers(`cases${k}`, own)], {
      axis: 1,
    });
    return graph.node('ReduceMin', `nearest${k}`, [columns], { axes: [1], keepdims: 1 });
  });
  const nothing = graph.node('Mul', 'nothing', [nearest[0]!, graph.constant('zero', [0])]);
  const unknown = graph.node('Add', 'unknown', [nothing, graph.constant('limit', [limit])]);
  const all = graph.node('Concat', 'all', [...nearest, unknown], { axis: 1 });
  const logits = graph.node('Mul', 'logits', [
    all,
    graph.constant('perDistance', [-perDistance(classifier)]),
  ]);
  graph.node('Softmax', 'probabilities', [logits], { axis: 1 });
  graph.output('probabilities', ['rows', labels.length]);
  return graph.finish({ features: features.join(','), labels: labels.join(',') });
}

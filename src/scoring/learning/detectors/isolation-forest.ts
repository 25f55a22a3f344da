import type { Random } from '../../../base/random.js';
import type { FeatureVector } from '../../score.js';
import type { GraphWriter, Value } from '../../training/onnx-writer.js';
import type { Detector, DetectorOutputs, FitDetector } from './detector.js';

const TREES = 100;
const SAMPLE = 256;
const EULER = 0.5772156649015329;

/** Inner nodes split by `x[feature] <= threshold`; leaves hold the path length. Children by their place in the list. */
interface TreeNode {
  readonly feature: number;
  readonly threshold: number;
  yes: number;
  no: number;
  /** Path length of a leaf; NaN of an inner node. */
  readonly path: number;
}

/**
 * Isolation forest (Liu, Ting and Zhou 2008): rows that random cuts separate early are unusual. Score 0 to 1, as in
 * the paper. It takes the features as they are, in float32 as the graph does, so that no row falls on another side there.
 */
class IsolationForest implements Detector {
  readonly kind = 'isolation-forest';
  readonly features: readonly string[];
  readonly #trees: readonly (readonly TreeNode[])[];
  /** Mean path length of a sample: what a path is measured by. */
  readonly #usual: number;

  constructor(features: readonly string[], trees: readonly (readonly TreeNode[])[], usual: number) {
    this.features = features;
    this.#trees = trees;
    this.#usual = usual;
  }

  score(row: FeatureVector): number {
    const x = Float32Array.from(this.features, (name) => row[name] ?? Number.NaN);
    let sum = 0;
    for (const tree of this.#trees) {
      let node = tree[0]!;
      while (Number.isNaN(node.path)) node = tree[x[node.feature]! <= node.threshold ? node.yes : node.no]!;
      sum += node.path;
    }
    return 2 ** (-sum / this.#trees.length / this.#usual);
  }

  addTo(graph: GraphWriter, input: Value): DetectorOutputs {
    const nodes = this.#trees.flatMap((tree, treeId) => tree.map((node, id) => ({ ...node, treeId, id })));
    const leaves = nodes.filter(({ path }) => !Number.isNaN(path));
    const isLeaf = ({ path }: TreeNode) => !Number.isNaN(path);
    const paths = graph.treeEnsemble('paths', input, {
      integers: {
        n_targets: 1,
        nodes_treeids: nodes.map(({ treeId }) => treeId),
        nodes_nodeids: nodes.map(({ id }) => id),
        nodes_featureids: nodes.map(({ feature }) => feature),
        nodes_truenodeids: nodes.map(({ yes }) => yes),
        nodes_falsenodeids: nodes.map(({ no }) => no),
        target_treeids: leaves.map(({ treeId }) => treeId),
        target_nodeids: leaves.map(({ id }) => id),
        target_ids: leaves.map(() => 0),
      },
      floats: {
        nodes_values: nodes.map((node) => (isLeaf(node) ? 0 : node.threshold)),
        target_weights: leaves.map(({ path }) => path / this.#trees.length),
      },
      strings: { nodes_modes: nodes.map((node) => (isLeaf(node) ? 'LEAF' : 'BRANCH_LEQ')) },
    });
    const exponent = graph.node('Mul', 'exponent', [
      paths,
      graph.constant('perPath', [-Math.LN2 / this.#usual]),
    ]);
    const column = graph.node('Exp', 'isolation', [exponent]);
    return { score: graph.node('Squeeze', 'isolationRow', [column, graph.integers('column', [1])]) };
  }
}

export const fitIsolationForest: FitDetector = (rows, features, random) => {
  const matrix = rows.map((row) => Float32Array.from(features, (name) => row[name]!));
  const size = Math.min(SAMPLE, matrix.length);
  const deepest = Math.ceil(Math.log2(size));
  const trees = Array.from({ length: TREES }, () => {
    const nodes: TreeNode[] = [];
    grow(nodes, draw(matrix, size, random), 0, deepest, random);
    return nodes;
  });
  return new IsolationForest(features, trees, meanPath(size));
};

/** Without putting back (Fisher-Yates on the first `size`). */
function draw(rows: readonly Float32Array[], size: number, random: Random): Float32Array[] {
  const order = rows.map((_, i) => i);
  return Array.from({ length: size }, (_, i) => {
    const j = i + Math.floor(random() * (order.length - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
    return rows[order[i]!]!;
  });
}

function grow(
  nodes: TreeNode[],
  rows: Float32Array[],
  depth: number,
  deepest: number,
  random: Random,
): number {
  const id = nodes.length;
  const cut = depth >= deepest || rows.length <= 1 ? undefined : findCut(rows, random);
  if (cut === undefined) {
    nodes.push({ feature: 0, threshold: 0, yes: 0, no: 0, path: Math.fround(depth + meanPath(rows.length)) });
    return id;
  }
  const node: TreeNode = { ...cut, yes: 0, no: 0, path: Number.NaN };
  nodes.push(node);
  const { feature, threshold } = cut;
  node.yes = grow(
    nodes,
    rows.filter((row) => row[feature]! <= threshold),
    depth + 1,
    deepest,
    random,
  );
  node.no = grow(
    nodes,
    rows.filter((row) => !(row[feature]! <= threshold)),
    depth + 1,
    deepest,
    random,
  );
  return id;
}

/** A cut between the least and the greatest value of a feature that is not the same everywhere. */
function findCut(
  rows: readonly Float32Array[],
  random: Random,
): { feature: number; threshold: number } | undefined {
  const width = rows[0]!.length;
  const first = Math.floor(random() * width);
  for (let i = 0; i < width; i++) {
    const feature = (first + i) % width;
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const row of rows) {
      low = Math.min(low, row[feature]!);
      high = Math.max(high, row[feature]!);
    }
    if (!(high > low)) continue;
    const threshold = Math.fround(low + random() * (high - low));
    return { feature, threshold: threshold < high ? threshold : low };
  }
  return undefined;
}

/** Mean path length of an unsuccessful search in a binary tree of n rows (equation 1 of the paper). */
const meanPath = (n: number): number =>
  n <= 1 ? 0 : n === 2 ? 1 : 2 * (Math.log(n - 1) + EULER) - (2 * (n - 1)) / n;

import { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { SmEdgeError } from '../base/errors.js';
import { SESSION_OPTIONS } from './runtime.js';
import { GraphWriter } from './training/onnx-writer.js';

/** What onnxruntime says of itself, once it has computed something right. */
export interface RuntimeFacts {
  /** Of onnxruntime-node. */
  readonly version: string;
  /** Execution providers of this build; models run on `cpu`. */
  readonly providers: readonly string[];
}

/**
 * Runs a little of each kind of arithmetic that models consist of (products with the widest instructions that the
 * library finds, a convolution, a tree) and holds the result against what it must be.
 */
export async function probeRuntime(): Promise<RuntimeFacts> {
  const session = await InferenceSession.create(probeModel(), SESSION_OPTIONS);
  const ones = new Tensor('float32', new Float32Array(SIZE * SIZE).fill(1), [SIZE, SIZE]);
  const { result } = await session.run({ x: ones });
  await session.release();
  const [value] = (result?.data ?? []) as Float32Array;
  if (value !== EXPECTED)
    throw new SmEdgeError('ONNX_RUNTIME', `a test graph gave ${value}, not ${EXPECTED}`, {
      hint: 'This processor or this build of onnxruntime computes wrongly: report it with the output of this command.',
    });
  return {
    version: env.versions.node ?? 'unknown',
    providers: listSupportedBackends().map(({ name }) => name),
  };
}

const SIZE = 64;
/** Each product of rows of ones is SIZE, the convolution adds 3 x 3 of them. */
const EXPECTED = SIZE * 9 + 1;

function probeModel(): Uint8Array {
  const graph = new GraphWriter('probe');
  const x = graph.input('x', [SIZE, SIZE]);
  graph.node('MatMul', 'product', [x, x]);
  graph.node('Reshape', 'image', ['product', graph.integers('shape', [1, 1, SIZE, SIZE])]);
  graph.node('Conv', 'sums', ['image', graph.constant('ones', new Array(9).fill(1), [1, 1, 3, 3])], {
    kernel_shape: [3, 3],
  });
  graph.node('ReduceMax', 'largest', ['sums'], { keepdims: 0 });
  const leaf = graph.treeEnsemble('leaf', x, {
    integers: {
      ...{ nodes_treeids: [0], nodes_nodeids: [0], nodes_featureids: [0] },
      ...{ nodes_truenodeids: [0], nodes_falsenodeids: [0] },
      ...{ target_treeids: [0], target_nodeids: [0], target_ids: [0], n_targets: 1 },
    },
    floats: { nodes_values: [0], target_weights: [1] },
    strings: { nodes_modes: ['LEAF'] },
  });
  graph.node('ReduceMax', 'tree', [leaf], { keepdims: 0 });
  graph.node('Add', 'result', ['largest', 'tree']);
  graph.output('result', []);
  return graph.finish();
}

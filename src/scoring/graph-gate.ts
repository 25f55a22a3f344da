import onnxProto from 'onnx-proto';
import { SmEdgeError } from '../base/errors.js';

const { onnx } = onnxProto;

/**
 * What a graph may contain, looked at before onnxruntime sees the file. A model scores rows of numbers: it needs no
 * files beside it, no code of a vendor's domain, and no loop whose length the data decide (a session that never
 * returns cannot be interrupted, only abandoned).
 */
const DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml']);
const UNBOUNDED = new Set(['Loop', 'Scan']);
const MAX_NODES = 20_000;
const MAX_NESTING = 4;

type Graph = InstanceType<typeof onnx.GraphProto> | onnxProto.onnx.IGraphProto;

/** Throws `MODEL_CORRUPT` where the bytes are no ONNX model, or one that a gateway does not run. */
export function checkModelGraph(bytes: Uint8Array): void {
  let model: onnxProto.onnx.ModelProto;
  try {
    model = onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw refused(`it is no ONNX file (${(cause as Error).message})`, cause);
  }
  if (model.graph === null || model.graph === undefined || (model.graph.node ?? []).length === 0)
    throw refused('it has no graph');
  for (const { domain } of model.opsetImport)
    if (!DOMAINS.has(domain ?? '')) throw refused(`it needs operators of the domain ${domain}`);
  if ((model.functions ?? []).length > 0) throw refused('it defines functions of its own');
  checkGraph(model.graph, 0);
}

function checkGraph(graph: Graph, depth: number): void {
  if (depth > MAX_NESTING) throw refused('its graphs are nested too deep');
  const nodes = graph.node ?? [];
  if (nodes.length > MAX_NODES) throw refused(`it has ${nodes.length} nodes (at most ${MAX_NODES})`);
  for (const tensor of graph.initializer ?? [])
    if (
      (tensor.externalData ?? []).length > 0 ||
      tensor.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL
    )
      throw refused(`its tensor ${tensor.name} lies in another file`);
  for (const node of nodes) {
    const operator = node.opType ?? '';
    if (!DOMAINS.has(node.domain ?? '')) throw refused(`it uses the operator ${node.domain}.${operator}`);
    if (UNBOUNDED.has(operator))
      throw refused(`it uses the operator ${operator}, whose duration has no bound`);
    for (const attribute of node.attribute ?? []) {
      if ((attribute.t?.externalData ?? []).length > 0)
        throw refused(`a tensor of its node ${node.name} lies in another file`);
      for (const inner of [attribute.g, ...(attribute.graphs ?? [])])
        if (inner !== null && inner !== undefined) checkGraph(inner, depth + 1);
    }
  }
}

const refused = (why: string, cause?: unknown): SmEdgeError =>
  new SmEdgeError('MODEL_CORRUPT', `model.onnx is refused: ${why}`, {
    hint: 'Export the model as one plain ONNX file (operators of ai.onnx and ai.onnx.ml) and register it again.',
    ...(cause === undefined ? {} : { cause }),
  });

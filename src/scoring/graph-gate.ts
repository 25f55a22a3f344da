import onnxProto from 'onnx-proto';
import { SmEdgeError } from '../base/errors.js';
import { MODEL_LIMITS } from './manifest-parts.js';

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
/** Integers of 64 bits, as the decoder gives them. */
type Long = { toString(): string };

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
  for (const tensor of graph.initializer ?? []) checkTensor(tensor, `its tensor ${tensor.name}`);
  for (const { values, indices, dims } of graph.sparseInitializer ?? []) {
    for (const part of [values, indices])
      if (part !== null && part !== undefined) checkTensor(part, `its sparse tensor ${part.name}`);
    checkSize(dims, 'a sparse tensor');
  }
  for (const node of nodes) {
    const operator = node.opType ?? '';
    if (!DOMAINS.has(node.domain ?? '')) throw refused(`it uses the operator ${node.domain}.${operator}`);
    if (UNBOUNDED.has(operator))
      throw refused(`it uses the operator ${operator}, whose duration has no bound`);
    for (const attribute of node.attribute ?? []) {
      for (const tensor of [attribute.t, ...(attribute.tensors ?? [])])
        if (tensor !== null && tensor !== undefined) checkTensor(tensor, `a tensor of its node ${node.name}`);
      for (const inner of [attribute.g, ...(attribute.graphs ?? [])])
        if (inner !== null && inner !== undefined) checkGraph(inner, depth + 1);
    }
  }
}

function checkTensor(tensor: onnxProto.onnx.ITensorProto, named: string): void {
  if (
    (tensor.externalData ?? []).length > 0 ||
    tensor.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL
  )
    // What PyTorch's exporter does by default since 2.9.
    throw refused(`${named} lies in another file (torch.onnx.export: external_data=False keeps it inside)`);
  checkSize(tensor.dims, named);
}

/** What a tensor says of its size is believed by whoever makes room for it. */
function checkSize(dims: readonly (number | Long)[] | null | undefined, named: string): void {
  let count = 1;
  for (const dim of dims ?? []) {
    const size = Number(dim);
    if (!(size >= 0)) throw refused(`${named} has a dimension of ${size}`);
    count *= size;
  }
  if (count > MODEL_LIMITS.modelBytes) throw refused(`${named} claims ${count} values`);
}

const refused = (why: string, cause?: unknown): SmEdgeError =>
  new SmEdgeError('MODEL_CORRUPT', `model.onnx is refused: ${why}`, {
    hint: 'Export the model as one plain ONNX file (operators of ai.onnx and ai.onnx.ml) and register it again.',
    ...(cause === undefined ? {} : { cause }),
  });

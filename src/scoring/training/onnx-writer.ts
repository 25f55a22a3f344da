import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

/** Opset 13 and IR 8 are read by every onnxruntime since 1.10, and by all converters' readers. */
const OPSET = 13;
const IR_VERSION = 8;

type Attributes = Readonly<Record<string, number | readonly number[]>>;

const ML_DOMAIN = 'ai.onnx.ml';
const ML_OPSET = 1;

/** Attributes of a tree ensemble, named as in the specification of ai.onnx.ml. */
export interface TreeAttributes {
  readonly integers: Attributes;
  readonly floats: Readonly<Record<string, readonly number[]>>;
  readonly strings: Readonly<Record<string, readonly string[]>>;
}

/** A tensor of the graph, by name. */
export type Value = string;

/**
 * Writes a small ONNX graph, operator by operator. The same calls give the same bytes.
 * Float attributes are not needed by our models: numbers in `attributes` are written as integers.
 */
export class GraphWriter {
  readonly #name: string;
  readonly #nodes: onnxProto.onnx.INodeProto[] = [];
  readonly #initializers: onnxProto.onnx.ITensorProto[] = [];
  readonly #inputs: onnxProto.onnx.IValueInfoProto[] = [];
  readonly #outputs: onnxProto.onnx.IValueInfoProto[] = [];
  #ml = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** A float32 input; a string in the shape is a free dimension. */
  input(name: string, shape: readonly (number | string)[]): Value {
    this.#inputs.push(valueInfo(name, shape));
    return name;
  }

  output(name: string, shape: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, shape));
  }

  constant(name: string, values: readonly number[], shape: readonly number[] = [values.length]): Value {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    this.#initializers.push({
      name,
      dims: [...shape],
      dataType: onnx.TensorProto.DataType.FLOAT,
      rawData: bytes,
    });
    return name;
  }

  integers(name: string, values: readonly number[]): Value {
    const bytes = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    this.#initializers.push({
      name,
      dims: [values.length],
      dataType: onnx.TensorProto.DataType.INT64,
      rawData: bytes,
    });
    return name;
  }

  /** Adds a node with one output, which bears the node's name. */
  node(opType: string, name: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    this.#nodes.push({
      opType,
      name,
      input: [...inputs],
      output: [name],
      attribute: integerAttributes(attributes),
    });
    return name;
  }

  /** A TreeEnsembleRegressor of the domain ai.onnx.ml, by its attributes; its output bears the node's name. */
  treeEnsemble(name: string, input: Value, attributes: TreeAttributes): Value {
    const { AttributeType } = onnx.AttributeProto;
    const { integers, floats, strings } = attributes;
    this.#ml = true;
    this.#nodes.push({
      opType: 'TreeEnsembleRegressor',
      domain: ML_DOMAIN,
      name,
      input: [input],
      output: [name],
      attribute: [
        ...integerAttributes(integers),
        ...Object.entries(floats).map(([key, values]) => ({
          name: key,
          type: AttributeType.FLOATS,
          floats: [...values],
        })),
        ...Object.entries(strings).map(([key, values]) => ({
          name: key,
          type: AttributeType.STRINGS,
          strings: values.map((value) => new TextEncoder().encode(value)),
        })),
      ],
    });
    return name;
  }

  /** The bytes of model.onnx. */
  finish(metadata: Readonly<Record<string, string>> = {}): Uint8Array {
    return onnx.ModelProto.encode({
      irVersion: IR_VERSION,
      opsetImport: [
        { domain: '', version: OPSET },
        ...(this.#ml ? [{ domain: ML_DOMAIN, version: ML_OPSET }] : []),
      ],
      producerName: 'smart-maintenance-edge',
      graph: {
        name: this.#name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    }).finish();
  }
}

function integerAttributes(attributes: Attributes): onnxProto.onnx.IAttributeProto[] {
  const { AttributeType } = onnx.AttributeProto;
  return Object.entries(attributes).map(([key, value]) =>
    typeof value === 'number'
      ? { name: key, type: AttributeType.INT, i: value }
      : { name: key, type: AttributeType.INTS, ints: [...value] },
  );
}

function valueInfo(name: string, shape: readonly (number | string)[]): onnxProto.onnx.IValueInfoProto {
  return {
    name,
    type: {
      tensorType: {
        elemType: onnx.TensorProto.DataType.FLOAT,
        shape: {
          dim: shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })),
        },
      },
    },
  };
}

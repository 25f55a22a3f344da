import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { fedWidthOf, framesOf, type ModelInputs } from './manifest-inputs.js';
import { type ModelOutput, tensorsOf } from './manifest-output.js';
import { modelKey } from './model-key.js';

/** A tensor as onnxruntime tells of it: a number, a name or nothing per dimension. */
export interface TensorMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

/** How rows go into the graph. */
export interface GraphInput {
  /** Dimensions after the rows. */
  readonly dims: readonly number[];
  /** The graph was exported for one row at a time. */
  readonly oneByOne: boolean;
}

/** Holds the graph against the manifest. @throws SmEdgeError `MODEL_INPUTS` with the exact difference */
export function checkShapes(
  manifest: ModelManifest,
  inputs: readonly TensorMetadata[],
  outputs: readonly TensorMetadata[],
): GraphInput {
  const fail = (message: string): SmEdgeError =>
    new SmEdgeError('MODEL_INPUTS', `${modelKey(manifest)}: ${message}`, {
      hint: 'Make the manifest say what the graph has (docs/models.md) and register a new version.',
    });
  const wanted = manifest.inputs;
  const [input, ...others] = inputs;
  if (input === undefined || others.length > 0 || input.name !== wanted.tensor)
    throw fail(
      `the graph takes ${inputs.map(({ name }) => name).join(', ') || 'nothing'}, the manifest ${wanted.tensor}`,
    );
  if (!input.isTensor || input.type !== 'float32')
    throw fail(
      `input ${input.name} is not a float32 tensor but ${input.isTensor ? input.type : 'no tensor'}${input.type === 'float64' ? ': convert the network before the export (PyTorch: model.float())' : ''}`,
    );
  const shape = input.shape ?? [];
  const found = possibleDims(wanted).find((dims) => fits(shape.slice(1), dims));
  if (found === undefined || shape.length < 2)
    throw fail(`input ${input.name} has shape [${shape.join(', ')}], the manifest ${describe(wanted)}`);
  const [rows] = shape;
  if (typeof rows === 'number' && rows > 1)
    throw fail(
      `input ${input.name} has shape [${shape.join(', ')}]: it takes exactly ${rows} rows; export it with a dynamic first axis (PyTorch: dynamic_shapes or dynamic_axes)`,
    );
  checkOutputs(manifest, outputs, fail);
  return { dims: found, oneByOne: rows === 1 };
}

/** A dimension that the graph leaves open (a name, or -1) takes any. */
const fits = (shape: readonly (number | string)[], dims: readonly number[]): boolean =>
  shape.length === dims.length &&
  dims.every((wanted, i) => {
    const had = shape[i];
    return typeof had !== 'number' || had < 0 || had === wanted;
  });

function possibleDims(inputs: ModelInputs): readonly (readonly number[])[] {
  switch (inputs.kind) {
    case 'features':
      return [[inputs.features.length]];
    case 'sequence':
      return [[inputs.steps, inputs.features.length]];
    case 'block':
      return [[inputs.samples], [1, inputs.samples]];
    case 'spectrogram': {
      const { mels } = inputs.mel;
      const image = inputs.layout === 'frames-mels' ? [framesOf(inputs), mels] : [mels, framesOf(inputs)];
      return [image, [1, ...image]];
    }
  }
}

function describe(inputs: ModelInputs): string {
  if (inputs.kind === 'features') return `${inputs.features.length} features`;
  const shapes = possibleDims(inputs).map((dims) => `[rows, ${dims.join(', ')}]`);
  return `a ${inputs.kind}, ${shapes.join(' or ')}`;
}

function checkOutputs(
  { inputs, output }: ModelManifest,
  outputs: readonly TensorMetadata[],
  fail: (message: string) => SmEdgeError,
): void {
  for (const name of tensorsOf(output)) {
    const had = outputs.find((candidate) => candidate.name === name);
    if (had === undefined)
      throw fail(`the graph gives ${outputs.map((of) => of.name).join(', ')}, the manifest wants ${name}`);
    if (!had.isTensor)
      throw fail(
        `output ${name} is a sequence or map, not a tensor: export with zipmap off (options={'zipmap': False})`,
      );
    if (had.type !== 'float32') throw fail(`output ${name} is ${had.type}, not float32`);
    const columns = columnsOf(had.shape ?? []);
    if (columns === undefined) continue;
    const message = wrongColumns(inputs, output, name, columns);
    if (message !== undefined)
      throw fail(`output ${name} has shape [${(had.shape ?? []).join(', ')}], ${message}`);
  }
}

/** Values per row, where the graph says so. */
function columnsOf(shape: readonly (number | string)[]): number | undefined {
  if (shape.length === 0) return undefined;
  let columns = 1;
  for (const size of shape.slice(1)) {
    if (typeof size !== 'number' || size < 0) return undefined;
    columns *= size;
  }
  return columns;
}

function wrongColumns(
  inputs: ModelInputs,
  output: ModelOutput,
  name: string,
  columns: number,
): string | undefined {
  switch (output.kind) {
    case 'classes': {
      const { labels } = output;
      if (columns === labels.length || (columns === 1 && labels.length === 2)) return undefined;
      return `the manifest names ${labels.length} labels`;
    }
    case 'reconstruction': {
      const width = fedWidthOf(inputs);
      // skl2onnx declares one column for a regressor of several; what comes out is looked at with the golden vectors.
      return columns === width || columns === 1
        ? undefined
        : `a reconstruction of the input has ${width} values a row`;
    }
    case 'forecast':
      for (const of of [output, output.lower, output.upper])
        if (of.tensor === name && of.column >= columns) return `the manifest wants column ${of.column}`;
      return undefined;
    default:
      if (output.contributions?.tensor === name && name !== output.tensor)
        return columns === fedWidthOf(inputs)
          ? undefined
          : `contributions of ${fedWidthOf(inputs)} features are wanted`;
      return output.column < columns ? undefined : `the manifest wants column ${output.column}`;
  }
}

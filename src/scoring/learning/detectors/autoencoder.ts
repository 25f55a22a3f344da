import { gaussian, type Random } from '../../../base/random.js';
import type { FeatureVector } from '../../score.js';
import type { GraphWriter, Value } from '../../training/onnx-writer.js';
import { addScaler, applyScaler, fitScaler, type Scaler } from '../scaler.js';
import type { Detector, DetectorOutputs, FitDetector } from './detector.js';

/** Presentations of a row, all rows together: bounds the time of training whatever the size of the table. */
const PRESENTATIONS = 30_000;
const MOST_EPOCHS = 60;
const BATCH = 32;
const RATE = 3e-3;
const ADAM = { first: 0.9, second: 0.999, small: 1e-8 };
/** A wild row in the training data pulls no harder than this, in robust standard deviations. */
const CLIP = 6;

/** One fully connected layer: y = W x + b, then tanh unless it is the last. */
interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  /** Row by row, outputs x inputs. */
  readonly weights: Float64Array;
  readonly biases: Float64Array;
}

/**
 * A small autoencoder with a bottleneck: what it cannot rebuild from few numbers does not belong to the healthy machine.
 * The score is the mean squared error of the rebuilt scaled features; the error of each feature is its share.
 */
class Autoencoder implements Detector {
  readonly kind = 'autoencoder';
  readonly #scaler: Scaler;
  readonly #layers: readonly Layer[];

  constructor(scaler: Scaler, layers: readonly Layer[]) {
    this.#scaler = scaler;
    this.#layers = layers;
  }

  get features(): readonly string[] {
    return this.#scaler.features;
  }

  contributions(row: FeatureVector): number[] {
    const z = applyScaler(this.#scaler, row);
    const rebuilt = forward(this.#layers, z).at(-1)!;
    return Array.from(z, (value, j) => (value - rebuilt[j]!) ** 2 / z.length);
  }

  score(row: FeatureVector): number {
    return this.contributions(row).reduce((sum, share) => sum + share, 0);
  }

  addTo(graph: GraphWriter, input: Value): DetectorOutputs {
    const z = addScaler(graph, this.#scaler, input);
    let value = z;
    this.#layers.forEach(({ inputs, outputs, weights, biases }, k) => {
      const w = graph.constant(`w${k}`, transposed(weights, outputs, inputs), [inputs, outputs]);
      const product = graph.node('MatMul', `product${k}`, [value, w]);
      value = graph.node('Add', `sum${k}`, [product, graph.constant(`b${k}`, Array.from(biases))]);
      if (k < this.#layers.length - 1) value = graph.node('Tanh', `layer${k}`, [value]);
    });
    const error = graph.node('Sub', 'error', [z, value]);
    const squared = graph.node('Mul', 'squaredError', [error, error]);
    const width = graph.constant('width', [this.features.length]);
    const contributions = graph.node('Div', 'shares', [squared, width]);
    const axis = graph.integers('axis', [1]);
    return {
      score: graph.node('ReduceSum', 'meanError', [contributions, axis], { keepdims: 0 }),
      contributions,
    };
  }
}

export const fitAutoencoder: FitDetector = (rows, features, random) => {
  const scaler = fitScaler(rows, features);
  const z = rows.map((row) =>
    applyScaler(scaler, row).map((value) => Math.max(-CLIP, Math.min(CLIP, value))),
  );
  const width = features.length;
  const hidden = Math.min(32, Math.max(4, Math.ceil(width / 2)));
  const neck = Math.max(1, Math.min(8, Math.ceil(width / 4)));
  const sizes = [width, hidden, neck, hidden, width];
  const layers = sizes.slice(1).map((outputs, k) => newLayer(sizes[k]!, outputs, random));
  const epochs = Math.max(3, Math.min(MOST_EPOCHS, Math.round(PRESENTATIONS / z.length)));
  train(layers, z, epochs, random);
  return new Autoencoder(scaler, layers);
};

/** Weights after Glorot and Bengio (2010). */
function newLayer(inputs: number, outputs: number, random: Random): Layer {
  const deviation = Math.sqrt(2 / (inputs + outputs));
  return {
    inputs,
    outputs,
    weights: Float64Array.from({ length: inputs * outputs }, () => deviation * gaussian(random)),
    biases: new Float64Array(outputs),
  };
}

/** Values of every layer, the input first. */
function forward(layers: readonly Layer[], input: Float64Array): Float64Array[] {
  const values = [input];
  layers.forEach(({ inputs, outputs, weights, biases }, k) => {
    const x = values[k]!;
    const y = new Float64Array(outputs);
    for (let i = 0; i < outputs; i++) {
      let sum = biases[i]!;
      const row = i * inputs;
      for (let j = 0; j < inputs; j++) sum += weights[row + j]! * x[j]!;
      y[i] = k < layers.length - 1 ? Math.tanh(sum) : sum;
    }
    values.push(y);
  });
  return values;
}

/** Mini-batches with Adam (Kingma and Ba 2015). */
function train(
  layers: readonly Layer[],
  rows: readonly Float64Array[],
  epochs: number,
  random: Random,
): void {
  const state = layers.map(({ weights, biases }) => ({
    weights: new Moments(weights.length),
    biases: new Moments(biases.length),
  }));
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    // Smaller steps towards the end.
    const rate = RATE * (1 - epoch / (epochs + 1));
    for (let from = 0; from < rows.length; from += BATCH) {
      const size = Math.min(BATCH, rows.length - from);
      for (let n = 0; n < size; n++) {
        const row = rows[Math.floor(random() * rows.length)]!;
        backward(layers, forward(layers, row), row, state, size);
      }
      step++;
      layers.forEach(({ weights, biases }, k) => {
        state[k]!.weights.apply(weights, rate, step);
        state[k]!.biases.apply(biases, rate, step);
      });
    }
  }
}

function backward(
  layers: readonly Layer[],
  values: readonly Float64Array[],
  target: Float64Array,
  state: readonly { readonly weights: Moments; readonly biases: Moments }[],
  batch: number,
): void {
  let delta = values.at(-1)!.map((value, i) => (value - target[i]!) / batch);
  for (let k = layers.length - 1; k >= 0; k--) {
    const { inputs, outputs, weights } = layers[k]!;
    const x = values[k]!;
    const { weights: toWeights, biases: toBiases } = state[k]!;
    const previous = new Float64Array(inputs);
    for (let i = 0; i < outputs; i++) {
      const d = delta[i]!;
      const row = i * inputs;
      toBiases.gradient[i]! += d;
      for (let j = 0; j < inputs; j++) {
        toWeights.gradient[row + j]! += d * x[j]!;
        previous[j]! += d * weights[row + j]!;
      }
    }
    // Derivative of tanh, of the layer before.
    delta = k === 0 ? previous : previous.map((value, j) => value * (1 - x[j]! ** 2));
  }
}

class Moments {
  readonly gradient: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;

  constructor(length: number) {
    this.gradient = new Float64Array(length);
    this.#first = new Float64Array(length);
    this.#second = new Float64Array(length);
  }

  /** One step along the gradient, which is then zero again. */
  apply(parameters: Float64Array, rate: number, step: number): void {
    const { first, second, small } = ADAM;
    const size = (rate * Math.sqrt(1 - second ** step)) / (1 - first ** step);
    for (let i = 0; i < parameters.length; i++) {
      const g = this.gradient[i]!;
      this.#first[i] = first * this.#first[i]! + (1 - first) * g;
      this.#second[i] = second * this.#second[i]! + (1 - second) * g * g;
      parameters[i]! -= (size * this.#first[i]!) / (Math.sqrt(this.#second[i]!) + small);
    }
    this.gradient.fill(0);
  }
}

function transposed(matrix: Float64Array, rows: number, columns: number): number[] {
  return Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!,
  );
}

import { toSmEdgeError } from '../../base/errors.js';
import type { FeatureVector } from '../../features/spec.js';
import type { ModelManifest } from '../../scoring/manifest.js';
import { featuresOf } from '../../scoring/manifest-inputs.js';
import { type ModelInput, stepsOf } from '../../scoring/model-input.js';

/** One window of a point, as far as a model may ask for it. */
export interface WindowSeen {
  /** Time of its first sample. */
  readonly timeMs: number;
  readonly features: FeatureVector;
  /** Gives its samples, and throws where they are gone already. Asked only for models that take samples. */
  readonly samples?: (() => Float32Array) | undefined;
}

/** What the model of a point gets, or why it cannot get it. */
export type InputOrReason =
  | { readonly input: ModelInput; readonly reason?: undefined }
  | { readonly input?: undefined; readonly reason: string };

/** A step lies off by more than this share of the interval: another one is missing between, or does not belong there. */
const INTERVAL_TOLERANCE = 0.5;

/**
 * Makes the inputs of one model at one point. Steps are remembered only where the model wants them, and begin anew
 * where one is missing: a model that learned ten seconds in a row must not be shown ten out of a minute.
 */
export class ModelInputs {
  readonly #manifest: ModelManifest;
  readonly #wanted: readonly string[];
  readonly #length: number;
  readonly #steps: FeatureVector[] = [];
  #lastMs = Number.NEGATIVE_INFINITY;
  #broken: string | undefined;

  constructor(manifest: ModelManifest) {
    this.#manifest = manifest;
    const { inputs, output } = manifest;
    const ahead = output.kind === 'forecast' ? output.horizon : 0;
    const asSteps = inputs.kind === 'sequence' || output.kind === 'forecast';
    this.#length = asSteps ? stepsOf(manifest) + ahead : 0;
    const names = new Set(featuresOf(inputs));
    if (output.kind === 'forecast') names.add(output.feature);
    this.#wanted = [...names];
  }

  /** What the model scores at this window; called for each window of the point, in order of time. */
  next(window: WindowSeen): InputOrReason {
    const { inputs } = this.#manifest;
    if (inputs.kind === 'block' || inputs.kind === 'spectrogram') return this.#samples(window);
    return this.#length === 0 ? { input: window.features } : this.#nextStep(window);
  }

  #samples({ samples }: WindowSeen): InputOrReason {
    if (samples === undefined) return { reason: 'the model takes samples, and there are features alone' };
    try {
      return { input: { samples: samples() } };
    } catch (thrown) {
      return { reason: toSmEdgeError(thrown).message };
    }
  }

  #nextStep({ timeMs, features }: WindowSeen): InputOrReason {
    const missing = this.#wanted.find((name) => !Number.isFinite(features[name]));
    if (missing !== undefined) return this.#breakOff(`a step lacks ${missing}`);
    const apartS = (timeMs - this.#lastMs) / 1000;
    this.#lastMs = timeMs;
    if (this.#steps.length > 0 && !this.#follows(apartS))
      this.#breakOff(`a step is missing: two lie ${Number(apartS.toPrecision(3))} s apart`);
    // Only what the model looks at: a thousand steps of every feature would be a megabyte for each point.
    this.#steps.push(Object.fromEntries(this.#wanted.map((name) => [name, features[name]!])));
    if (this.#steps.length > this.#length) this.#steps.shift();
    return this.#steps.length < this.#length ? { reason: this.#waiting() } : { input: this.#input(features) };
  }

  #input(features: FeatureVector): ModelInput {
    const { output } = this.#manifest;
    this.#broken = undefined;
    const steps = this.#steps.slice(0, stepsOf(this.#manifest));
    return output.kind === 'forecast' ? { steps, actual: features[output.feature]! } : { steps };
  }

  #follows(apartS: number): boolean {
    const { inputs } = this.#manifest;
    if (inputs.kind !== 'sequence') return apartS > 0;
    return Math.abs(apartS - inputs.intervalS) <= INTERVAL_TOLERANCE * inputs.intervalS;
  }

  #breakOff(why: string): InputOrReason {
    this.#steps.length = 0;
    this.#broken = why;
    return { reason: this.#waiting() };
  }

  /** The same text until it changes what it says, so that it is told once. */
  #waiting(): string {
    const { inputs } = this.#manifest;
    const spacing = inputs.kind === 'sequence' ? `, ${inputs.intervalS} s apart` : '';
    const because = this.#broken === undefined ? '' : `; ${this.#broken}`;
    return `the model needs ${this.#length} steps in a row${spacing}${because}`;
  }
}

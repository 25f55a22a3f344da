import { medianOf } from '../../base/median.js';
import type { FeatureVector } from '../../features/spec.js';
import { type DriftSketch, driftSketchOf } from '../../scoring/drift.js';
import type { ModelManifest } from '../../scoring/manifest.js';

/** A day: machines have shifts, and no shift is drift. */
const PERIOD_MS = 86_400_000;
/** Fewer windows than this in a period say nothing. */
const LEAST_WINDOWS = 500;

interface Watched {
  readonly model: string;
  readonly sketch: DriftSketch;
  fromMs: number;
}

/** How far the healthy running of learned points has moved from what they were learned from, day by day. */
export class DriftWatch {
  readonly #points = new Map<string, Watched>();

  /**
   * Takes in a healthy window.
   * @param manifestOf the model, asked for once
   * @param state operating state of the window
   * @returns the median PSI of the inputs where a period ended with it; undefined where none did
   */
  add(
    point: string,
    model: string,
    timeMs: number,
    features: FeatureVector,
    manifestOf: () => Pick<ModelManifest, 'training'> | undefined,
    state?: string,
  ): number | undefined {
    let watched = this.#points.get(point);
    if (watched?.model !== model) {
      const manifest = manifestOf();
      if (manifest === undefined) return undefined;
      watched = { model, sketch: driftSketchOf(manifest), fromMs: timeMs };
      this.#points.set(point, watched);
    }
    watched.sketch.add(features, undefined, state);
    if (timeMs - watched.fromMs < PERIOD_MS) return undefined;
    const { samples, psi } = watched.sketch.report();
    watched.sketch.reset();
    watched.fromMs = timeMs;
    const values = Object.values(psi);
    return samples < LEAST_WINDOWS || values.length === 0 ? undefined : medianOf(values);
  }
}

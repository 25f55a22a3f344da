import { defaultBlockLength } from '../../features/block-length.js';
import { createExtractor } from '../../features/extractor.js';
import type { AnalysisSpec, BearingGeometry, Extractor, FeatureVector } from '../../features/spec.js';
import type { RecordedBearing, RecordedBlock, Recording } from '../../signals/recording-set.js';
import { type SignalFault, signalFault } from '../../signals/signal-fault.js';
import { analysisSpecOf, type MachineRegistry, type PointContext } from '../machines/machines.js';

/** Features of one window of a recording. */
export interface RecordingWindow {
  readonly timeMs: number;
  readonly features: FeatureVector;
  readonly samples: Float32Array;
}

const MOST_EXTRACTORS = 4;

/** Cuts recordings into windows and extracts their features, as the daemon would from the live signal. */
export class RecordingAnalysis {
  readonly #machines: MachineRegistry;
  readonly #configured: boolean;
  readonly #blockRpm: number | undefined;
  readonly #extractors = new Map<string, Extractor>();

  /**
   * @param configured whether the user's config names the machines: their nameplates then win over the manifest
   * @param blockRpm speed that the length of all windows goes by, where recordings of several speeds are one table
   */
  constructor(machines: MachineRegistry, configured: boolean, blockRpm?: number) {
    this.#machines = machines;
    this.#configured = configured;
    this.#blockRpm = blockRpm;
  }

  contextOf({ point, quantity, speedRpm, bearing }: Recording): PointContext {
    const known = this.#machines.contextOf(point);
    if (this.#configured && (known.speedRpm !== undefined || known.bearing !== undefined)) return known;
    const { speedRpm: _speed, bearing: _bearing, ...rest } = known;
    return {
      ...rest,
      quantity,
      ...(speedRpm === undefined ? {} : { speedRpm }),
      ...(bearing === undefined ? {} : { bearing: geometryOf(bearing) }),
    };
  }

  /** How a block of the recording is analysed: in windows of the usual length, a shorter block in one. */
  specOf(recording: Recording, context: PointContext, block: RecordedBlock): AnalysisSpec {
    const { sampleRateHz, unit, quantity } = recording;
    const own: AnalysisSpec = { ...analysisSpecOf(context, sampleRateHz, unit), quantity };
    const isShared = this.#blockRpm !== undefined && own.speedRpm !== undefined;
    const spec = isShared ? { ...own, blockLength: defaultBlockLength(sampleRateHz, this.#blockRpm) } : own;
    return { ...spec, blockLength: Math.min(spec.blockLength, block.samples.length) };
  }

  /**
   * Consecutive windows of a block; what is left over at its end is not used. Windows without a signal are left out, as
   * blocks of bad quality are in the daemon.
   * @param onFault told of each of these
   */
  async *windows(
    block: RecordedBlock,
    spec: AnalysisSpec,
    onFault?: (fault: SignalFault) => void,
  ): AsyncGenerator<RecordingWindow> {
    const { blockLength, sampleRateHz } = spec;
    if (blockLength === 0) {
      onFault?.('no samples');
      return;
    }
    const extractor = await this.#extractorFor(spec);
    for (let from = 0; from + blockLength <= block.samples.length; from += blockLength) {
      const timeMs = block.startTimeMs + (from * 1000) / sampleRateHz;
      const samples = block.samples.subarray(from, from + blockLength);
      const fault = signalFault(samples);
      if (fault !== undefined) {
        onFault?.(fault);
        continue;
      }
      yield { timeMs, features: extractor.extract(samples), samples };
    }
  }

  close(): void {
    for (const extractor of this.#extractors.values()) extractor.close();
    this.#extractors.clear();
  }

  async #extractorFor(spec: AnalysisSpec): Promise<Extractor> {
    const key = JSON.stringify(spec);
    let extractor = this.#extractors.get(key);
    if (extractor === undefined) {
      extractor = await createExtractor(spec);
      // Few are enough: sets are grouped by rig, and a plan holds tables of the size of a block.
      if (this.#extractors.size >= MOST_EXTRACTORS) this.close();
      this.#extractors.set(key, extractor);
    }
    return extractor;
  }
}

function geometryOf({ multipliers, ...geometry }: RecordedBearing): BearingGeometry {
  const { balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg } = geometry;
  return {
    balls,
    ballDiameterMm,
    pitchDiameterMm,
    contactAngleDeg,
    ...(multipliers === undefined ? {} : { multipliers }),
  };
}

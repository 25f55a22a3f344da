import { toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { AnalysisConfig } from '../../features/analysis-config.js';
import type { AnalysisSpec } from '../../features/spec.js';
import { RingBudget } from '../../signals/ring-budget.js';
import type { SampleRing } from '../../signals/ring-buffer.js';
import type { LiveMetrics } from './metrics.js';

/** The ring buffers of all points, within the memory that the config gives them. */
export class PointRings {
  readonly #config: AnalysisConfig;
  readonly #logger: Logger;
  readonly #gauges: LiveMetrics['gauges'];
  readonly #budget: RingBudget;
  /** Points whose ring did not fit, so that it is told once for each. */
  readonly #refused = new Set<string>();

  constructor(config: AnalysisConfig, logger: Logger, gauges: LiveMetrics['gauges']) {
    this.#config = config;
    this.#logger = logger;
    this.#gauges = gauges;
    this.#budget = new RingBudget(config.memory);
  }

  /** A ring of four windows at least; undefined, told once, where the memory of all rings does not suffice. */
  create(point: string, spec: AnalysisSpec): SampleRing | undefined {
    const { ring: durationMs, ringBytes } = this.#config;
    if (this.#refused.has(point)) return undefined;
    try {
      return this.#budget.create(point, {
        sampleRateHz: spec.sampleRateHz,
        durationMs,
        leastSamples: 4 * spec.blockLength,
        ...(ringBytes === undefined ? {} : { maxBytes: ringBytes }),
      });
    } catch (thrown) {
      this.#refused.add(point);
      this.#logger.warn({ point, error: toErrorRecord(thrown) }, 'a waveform is stored but not analysed');
      return undefined;
    } finally {
      this.#gauges.bytes.set(this.#budget.usedBytes);
      this.#gauges.refused.set(this.#budget.refused);
    }
  }

  release(point: string): void {
    this.#budget.release(point);
  }

  /** Those that did not fit may fit now. */
  tryAgain(): void {
    this.#refused.clear();
  }

  /** Counts the windows that were overwritten before they were read. */
  count(): void {
    this.#gauges.overruns.set(this.#budget.totals().overruns);
  }
}

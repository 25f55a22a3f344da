/** Time over which a rate is measured: arrivals are off by up to some tens of milliseconds, which is then under 1 %. */
const HALF_MS = 10_000;
/** Fewer blocks than this in a half say too little. */
const FEWEST_BLOCKS = 4;
/** The two halves must agree this well: a backlog or a stall shows itself by halves that differ. */
const AGREEMENT = 0.02;
/** Blocks further apart than this begin a new measurement. */
const PAUSE_MS = 10_000;
/** Further off than this nothing is said: blocks behind a trigger, with pauses between them. */
const PLAUSIBLE = 3;

interface Half {
  fromMs: number;
  samples: number;
  blocks: number;
}

/**
 * Measures the sample rate of a continuous signal by the monotonic time of arrival of its blocks. Says something only
 * when two halves of a measurement agree, so that neither a backlog nor a stall passes for a wrong clock.
 */
export class RateMeter {
  #half: Half | undefined;
  #previousRate: number | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** Measured rate divided by the declared one; undefined until known. */
  ratio: number | undefined;

  /** A block of `samples` that was complete at `arrivalMs` (monotonic). */
  add(samples: number, sampleRateHz: number, arrivalMs: number, continuous: boolean): void {
    const paused = arrivalMs - this.#lastMs > PAUSE_MS;
    this.#lastMs = arrivalMs;
    if (!continuous || paused || this.#half === undefined) {
      this.#half = { fromMs: arrivalMs, samples: 0, blocks: 0 };
      this.#previousRate = undefined;
      return;
    }
    this.#half.samples += samples;
    this.#half.blocks++;
    const tookMs = arrivalMs - this.#half.fromMs;
    if (tookMs < HALF_MS || this.#half.blocks < FEWEST_BLOCKS) return;
    const rateHz = (this.#half.samples * 1000) / tookMs;
    const before = this.#previousRate;
    this.#previousRate = rateHz;
    this.#half = { fromMs: arrivalMs, samples: 0, blocks: 0 };
    if (before === undefined || Math.abs(rateHz / before - 1) > AGREEMENT) return;
    const ratio = (rateHz + before) / 2 / sampleRateHz;
    this.ratio = ratio > PLAUSIBLE || ratio < 1 / PLAUSIBLE ? undefined : ratio;
  }
}

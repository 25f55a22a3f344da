/** Share of blocks in which the best of points is anomalous by chance. */
const LEAST = 0.02;
/** However often a point was anomalous for nothing: what lasts long enough is believed in the end. */
const MOST = 0.7;
/** What is supposed of a point of which nothing is known yet: ten of twenty blocks. Its own history outweighs it soon. */
const SUPPOSED_ANOMALOUS = 10;
const SUPPOSED_BLOCKS = 20;
/** Blocks after which older ones count half. */
const MEMORY_BLOCKS = 2_000;
/** Bounds of the strengths that are told apart, score over threshold: a third more each. */
const STRENGTHS = Array.from({ length: 12 }, (_, step) => 1.33 ** (step + 1));

/** Blocks of one anomaly by strength. */
export type Strengths = Readonly<Record<number, number>>;

/** The strength of a block as a step, 0 for one that is just above its threshold. */
export function strengthOf(exceedance: number): number {
  const step = STRENGTHS.findIndex((bound) => exceedance < bound);
  return step < 0 ? STRENGTHS.length : step;
}

/**
 * What a point does now and then for nothing: how often it was anomalous in the past, and how strongly, where the
 * anomaly went by itself and nobody called it right. A strength that it never had is not excused by it.
 */
export class Habit {
  #blocks = 0;
  readonly #counts: number[] = new Array(STRENGTHS.length + 1).fill(0);

  /** A block that was not anomalous. */
  quiet(): void {
    this.#grow(1);
  }

  /** An anomaly that was nothing; `times` it counts, negative to take it back. */
  learn(strengths: Strengths, times = 1): void {
    for (const [step, blocks] of Object.entries(strengths)) {
      const at = Number(step);
      this.#counts[at] = Math.max(0, (this.#counts[at] ?? 0) + times * blocks);
      this.#grow(times * blocks);
    }
  }

  /** Share of the point's blocks that were anomalous for nothing, as strongly as this or stronger. */
  shareOf(strength: number): number {
    const stronger = this.#counts.slice(strength).reduce((sum, count) => sum + count, 0);
    const share = (stronger + SUPPOSED_ANOMALOUS) / (this.#blocks + SUPPOSED_BLOCKS);
    return Math.min(MOST, Math.max(LEAST, share));
  }

  /** True while it has seen too little to say anything of the point. */
  get isNew(): boolean {
    return this.#blocks < 5 * SUPPOSED_BLOCKS;
  }

  toJSON(): { blocks: number; counts: number[] } {
    return { blocks: Math.round(this.#blocks), counts: this.#counts.map(Math.round) };
  }

  restore({ blocks, counts }: { readonly blocks: number; readonly counts: readonly number[] }): void {
    this.#blocks = blocks;
    for (const at of this.#counts.keys()) this.#counts[at] = counts[at] ?? 0;
  }

  #grow(blocks: number): void {
    this.#blocks = Math.max(0, this.#blocks + blocks);
    if (this.#blocks < MEMORY_BLOCKS) return;
    this.#blocks /= 2;
    for (const [at, count] of this.#counts.entries()) this.#counts[at] = count / 2;
  }
}

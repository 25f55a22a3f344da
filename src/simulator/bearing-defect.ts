import { gaussian, type Random } from '../base/random.js';
import { bearingOrders } from '../features/bearing-orders.js';
import type { BearingGeometry } from '../features/spec.js';

export const DEFECT_KINDS = ['outer', 'inner', 'ball', 'cage'] as const;
export type DefectKind = (typeof DEFECT_KINDS)[number];

/** Hits per turn of the shaft, and the order with which the load zone modulates them (outer ring standing still). */
function kinematics(kind: DefectKind, geometry: BearingGeometry): { hitsPerTurn: number; loadOrder: number } {
  const { bpfo, bpfi, bsf, ftf } = bearingOrders(geometry);
  switch (kind) {
    case 'outer':
      return { hitsPerTurn: bpfo, loadOrder: 0 };
    case 'inner':
      return { hitsPerTurn: bpfi, loadOrder: 1 };
    case 'ball':
      // The flaw meets both rings in one turn of the ball.
      return { hitsPerTurn: 2 * bsf, loadOrder: ftf };
    case 'cage':
      return { hitsPerTurn: ftf, loadOrder: ftf };
  }
}

/** Standard deviation of the time between two hits as a share of it: the rolling elements slip by 1 to 2 %. */
const SLIP = 0.01;
/** Hits differ in strength too. */
const STRENGTH_SPREAD = 0.15;

/**
 * The hits of a local bearing defect as a train of forces (McFadden and Smith 1984; Randall and Antoni 2011, with
 * the slip as a random walk: the hits are not locked to the shaft).
 */
export class BearingDefect {
  readonly #hitsPerTurn: number;
  readonly #loadOrder: number;
  readonly #random: Random;
  /** Turns of the shaft at the next hit. */
  #nextTurns: number | undefined;

  constructor(kind: DefectKind, geometry: BearingGeometry, random: Random) {
    const { hitsPerTurn, loadOrder } = kinematics(kind, geometry);
    this.#hitsPerTurn = hitsPerTurn;
    this.#loadOrder = loadOrder;
    this.#random = random;
  }

  /**
   * Adds the hits of one block to `force`.
   * `turns` is the shaft's angle at its start, `turnsPerSample` how far it goes, `strength` the mean force.
   */
  addHits(force: Float32Array, turns: number, turnsPerSample: number, strength: number): void {
    const random = this.#random;
    const meanStep = 1 / this.#hitsPerTurn;
    let next = this.#nextTurns ?? turns + random() * meanStep;
    const end = turns + force.length * turnsPerSample;
    while (next < end) {
      const position = Math.max(0, (next - turns) / turnsPerSample);
      const index = Math.min(force.length - 1, Math.floor(position));
      const share = position - index;
      const hit = strength * this.#load(next) * (1 + STRENGTH_SPREAD * gaussian(random));
      // A hit between two samples is shared by both.
      force[index]! += hit * (1 - share);
      if (index + 1 < force.length) force[index + 1]! += hit * share;
      next += meanStep * (1 + SLIP * gaussian(random));
    }
    this.#nextTurns = next;
  }

  /** How much load the flaw meets there: all of it on a standing ring, more and less as it goes through the load zone. */
  #load(turns: number): number {
    if (this.#loadOrder === 0) return 1;
    return Math.max(0, 0.6 + 0.6 * Math.cos(2 * Math.PI * this.#loadOrder * turns));
  }
}

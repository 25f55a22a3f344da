import type { BearingGeometry } from './spec.js';

/** Fault frequencies of a rolling bearing over the speed of its shaft (outer ring at rest). */
export interface BearingOrders {
  /** Ball pass frequency of the outer race. */
  readonly bpfo: number;
  /** Ball pass frequency of the inner race. */
  readonly bpfi: number;
  /** Ball spin frequency: one turn of a ball. A defect on it strikes both races, so twice a turn. */
  readonly bsf: number;
  /** Fundamental train (cage) frequency. */
  readonly ftf: number;
}

/** Kinematics without slip (ISO 13373-2, annex; Randall and Antoni 2011, eq. 1-4); the maker's multipliers win. */
export function bearingOrders(bearing: BearingGeometry): BearingOrders {
  const ratio =
    (bearing.ballDiameterMm / bearing.pitchDiameterMm) * Math.cos((bearing.contactAngleDeg * Math.PI) / 180);
  const { multipliers } = bearing;
  return {
    bpfo: multipliers?.BPFO ?? (bearing.balls / 2) * (1 - ratio),
    bpfi: multipliers?.BPFI ?? (bearing.balls / 2) * (1 + ratio),
    bsf: multipliers?.BSF ?? (bearing.pitchDiameterMm / (2 * bearing.ballDiameterMm)) * (1 - ratio * ratio),
    ftf: multipliers?.FTF ?? 0.5 * (1 - ratio),
  };
}

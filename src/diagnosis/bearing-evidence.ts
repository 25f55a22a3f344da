import type { BearingOrders } from '../features/bearing-orders.js';
import type { Evidence } from './diagnosis.js';
import { type Line, lineNear } from './line-spectrum.js';
import type { MachineSpectra, WhitenedBand } from './machine-spectra.js';
import { onShaftOrder, type ShaftSpeed, SPEED_RANGE } from './shaft-speed.js';

/** How strongly the envelope spectra speak for a defect of one part of the bearing. */
export interface BearingEvidence {
  readonly part: BearingPart;
  /** Sum over the harmonics of the logarithm of line over floor: how sure it is that the lines are there. */
  readonly weight: number;
  /** Sum of the modulation depths of the harmonics: how much of the vibration the defect makes. */
  readonly depth: number;
  /** Weight that chance alone may reach in this spectrum. */
  readonly chance: number;
  readonly shaftHz: number;
  /** How well the sidebands fit the part and its frequency the nameplate, around 1: it ranks parts whose lines coincide. */
  readonly support: number;
  /** Whether the fundamental or its double is there: higher harmonics alone belong to something else. */
  readonly grounded: boolean;
  readonly band: WhitenedBand;
  readonly lines: readonly Evidence[];
}

export type BearingPart = 'outer' | 'inner' | 'ball' | 'cage';

/** Slip and change of contact angle shift a fault frequency against its kinematics, share (Randall and Antoni 2011). */
const SLIP = 0.02;
const SLIP_STEP = 0.001;
const SPEED_STEP = 0.002;
const HARMONICS = 4;
/** Ratio to the floor that noise reaches easily. */
const NOISE_RATIO = 1.6;
/** Ratio to the floor from which a single line is taken for one. */
const GROUNDED_RATIO = 2;
/** How much the weight of the shaft's own orders counts where the speed is searched with the defect. */
const SHAFT_SHARE = 0.1;
/** Weight that chance reaches with one spectrum, less with more of them (as the scatter of their mean falls). */
const CHANCE_BASE = 0.5;
const CHANCE_CERTAIN = 1.4;
const CHANCE_SEARCHED = 2.4;

interface Hypothesis {
  readonly part: BearingPart;
  readonly feature: string;
  /** Order of the line that a defect makes, and how many times the named frequency that is. */
  readonly order: number;
  readonly multiple: number;
  /** Distance, in orders, of the sidebands that the part's own turning makes; a part at rest has none. */
  readonly sideband: number | undefined;
}

function hypotheses(orders: BearingOrders): Hypothesis[] {
  return [
    { part: 'outer', feature: 'bpfo', order: orders.bpfo, multiple: 1, sideband: undefined },
    { part: 'inner', feature: 'bpfi', order: orders.bpfi, multiple: 1, sideband: 1 },
    // A defect of a ball strikes both races in each turn of the ball.
    { part: 'ball', feature: 'bsf', order: 2 * orders.bsf, multiple: 2, sideband: orders.ftf },
    { part: 'cage', feature: 'ftf', order: orders.ftf, multiple: 1, sideband: undefined },
  ];
}

/** The strongest case for each part of the bearing, strongest part first. */
export function bearingEvidence(
  spectra: MachineSpectra,
  orders: BearingOrders,
  speed: ShaftSpeed,
): BearingEvidence[] {
  const candidates = candidateSpeeds(speed);
  return hypotheses(orders)
    .map((hypothesis) =>
      spectra.whitened
        .map((band) => strongestCase(band, hypothesis, candidates, speed))
        .reduce((best, next) => (merit(next) > merit(best) ? next : best)),
    )
    .sort((a, b) => merit(b) - merit(a));
}

/** What a case is compared by: lines that are certain and matter. */
export const merit = (evidence: BearingEvidence): number =>
  Math.max(0, evidence.weight - evidence.chance) * Math.min(1, evidence.depth) * evidence.support;

interface CandidateSpeed {
  readonly shaftHz: number;
  readonly bonus: number;
}

function candidateSpeeds(speed: ShaftSpeed): CandidateSpeed[] {
  if (speed.certain) return [{ shaftHz: speed.shaftHz, bonus: 0 }];
  const steps = Math.round(SPEED_RANGE / SPEED_STEP);
  return Array.from({ length: 2 * steps + 1 }, (_, i) => {
    const shaftHz = speed.declaredHz * (1 + (i - steps) * SPEED_STEP);
    return { shaftHz, bonus: SHAFT_SHARE * speed.evidenceAt(shaftHz) };
  });
}

function strongestCase(
  band: WhitenedBand,
  { part, feature, order, multiple, sideband }: Hypothesis,
  candidates: readonly CandidateSpeed[],
  { certain, declaredHz }: ShaftSpeed,
): BearingEvidence {
  const { spectrum } = band;
  let best = { total: -1, weight: 0, shaftHz: candidates[0]!.shaftHz, frequencyHz: 0 };
  for (const { shaftHz, bonus } of candidates) {
    for (let slip = -SLIP; slip <= SLIP + SLIP_STEP / 2; slip += SLIP_STEP) {
      const frequencyHz = order * shaftHz * (1 + slip);
      let weight = 0;
      for (let harmonic = 1; harmonic <= HARMONICS; harmonic++) {
        const { ratio } = bearingLine(band, harmonic * frequencyHz, shaftHz);
        if (ratio > NOISE_RATIO) weight += Math.log(ratio / NOISE_RATIO);
      }
      if (weight + bonus > best.total) best = { total: weight + bonus, weight, shaftHz, frequencyHz };
    }
  }
  const lines = Array.from({ length: HARMONICS }, (_, i) =>
    bearingLine(band, (i + 1) * best.frequencyHz, best.shaftHz),
  );
  const chance = certain
    ? CHANCE_BASE + CHANCE_CERTAIN / spectrum.averages ** 0.75
    : CHANCE_BASE + CHANCE_SEARCHED / Math.sqrt(spectrum.averages);
  return {
    part,
    weight: best.weight,
    depth: lines.reduce((sum, line) => sum + line.excess, 0),
    // Narrow bands are tried in numbers, and few lines of noise make them look modulated.
    chance: chance + 0.4 * Math.log2(band.division),
    shaftHz: best.shaftHz,
    support:
      (certain ? 1 : nearness(best.frequencyHz / (order * declaredHz))) *
      (sideband === undefined ? 1 : sidebandSupport(band, best.frequencyHz, best.shaftHz, sideband)),
    grounded: Math.max(lines[0]!.ratio, lines[1]!.ratio) >= GROUNDED_RATIO,
    band,
    lines: lines.flatMap((line, i) =>
      line.ratio > NOISE_RATIO
        ? [toEvidence(line, harmonicName(feature, (i + 1) * multiple), best.shaftHz)]
        : [],
    ),
  };
}

/** Speed and slip both at the end of their range is the least likely of all cases: half as good as the nameplate's. */
const nearness = (ratio: number): number => 1 - 0.5 * ((ratio - 1) / (SPEED_RANGE + SLIP)) ** 2;

/** Support without any sideband, and what clear ones add. */
const BARE_SUPPORT = 0.6;
const SIDEBAND_GAIN = 0.15;
const SIDEBANDS = [-2, -1, 1, 2];

/**
 * A defect that turns through the load zone is modulated by its turning: the inner race once a turn of the shaft, a
 * ball once a turn of the cage (Randall and Antoni 2011).
 */
function sidebandSupport(band: WhitenedBand, frequencyHz: number, shaftHz: number, sideband: number): number {
  let support = BARE_SUPPORT;
  for (const harmonic of [1, 2]) {
    for (const side of SIDEBANDS) {
      const { ratio } = lineNear(band.spectrum, harmonic * frequencyHz + side * sideband * shaftHz);
      if (ratio > GROUNDED_RATIO) support += SIDEBAND_GAIN * Math.log(ratio / GROUNDED_RATIO);
    }
  }
  return Math.min(1.2, support);
}

const NOTHING: Line = { frequencyHz: 0, amplitude: 0, ratio: 0, excess: 0 };

/**
 * A line of the envelope, unless it, or the line on whose skirt it stands, lies on a whole order of the shaft and thus
 * proves nothing for the bearing.
 */
function bearingLine(band: WhitenedBand, frequencyHz: number, shaftHz: number): Line {
  const line = lineNear(band.spectrum, frequencyHz);
  const summit = lineNear(band.spectrum, line.frequencyHz);
  const onOrder = [frequencyHz, summit.frequencyHz].some((hz) => onShaftOrder(band.spectrum, hz, shaftHz));
  return onOrder || summit.amplitude > line.amplitude ? NOTHING : line;
}

const harmonicName = (feature: string, multiple: number) =>
  multiple === 1 ? feature : `${multiple}x${feature}`;

const toEvidence = (line: Line, feature: string, shaftHz: number): Evidence => ({
  feature,
  frequencyHz: line.frequencyHz,
  orders: line.frequencyHz / shaftHz,
  value: line.amplitude,
  ratio: line.ratio,
});

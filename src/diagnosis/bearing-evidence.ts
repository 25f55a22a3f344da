import type { BearingOrders } from '../features/bearing-orders.js';
import { type Line, lineNear } from '../features/line-spectrum.js';
import { type ShaftSpeed, SPEED_RANGE } from '../features/shaft-speed.js';
import { logGammaTail } from './chance.js';
import type { Evidence } from './diagnosis.js';
import { LineField, NOISE_RATIO } from './line-field.js';
import type { MachineSpectra, WhitenedBand } from './machine-spectra.js';

/** How strongly the envelope spectra speak for a defect of one part of the bearing. */
export interface BearingEvidence {
  readonly part: BearingPart;
  /** -ln of the chance that noise makes such lines anywhere that was looked at: 7 is once in a thousand recordings. */
  readonly surprise: number;
  /** Sum over the harmonics of the logarithm of line over floor: what parts are compared by. */
  readonly weight: number;
  /** Sum of the modulation depths of the harmonics: how much of the vibration the defect makes. */
  readonly depth: number;
  readonly shaftHz: number;
  /** Of the fundamental. */
  readonly frequencyHz: number;
  /** Distances, in orders, of the sidebands that the part's turning makes. */
  readonly sidebands: readonly number[];
  /** How well the sidebands fit the part and its frequency the nameplate, around 1: it ranks parts whose lines coincide. */
  readonly support: number;
  /** Whether two of the harmonics are there, the fundamental or its double among them. */
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
/** Surprise from which a line is taken for one: noise reaches it once in twenty lines. */
/** Lines nearer to each other than this are one, bins (half the main lobe of a Hann window, and slip). */
const LINE_BINS = 2.5;
const LINE_SURPRISE = 3;
/** The same for the line that a case rests on: once in a hundred. */
const GROUND_SURPRISE = 4.6;
/** How much the weight of the shaft's own orders counts where the speed is searched with the defect. */
const SHAFT_SHARE = 0.1;

/** Periods in one spectrum below which slow changes of the noise pass for a line: a cage needs some 43 turns of the shaft. */
const LEAST_PERIODS = 17;

interface Hypothesis {
  readonly part: BearingPart;
  readonly feature: string;
  /** Order of the line that a defect makes, and how many times the named frequency that is. */
  readonly order: number;
  readonly multiple: number;
  /** Distances, in orders, of the sidebands that the part's own turning makes; a part at rest has none. */
  readonly sidebands: readonly number[];
}

function hypotheses(orders: BearingOrders, segmentTurns: number): Hypothesis[] {
  const { ftf } = orders;
  const all: Hypothesis[] = [
    { part: 'outer', feature: 'bpfo', order: orders.bpfo, multiple: 1, sidebands: [] },
    { part: 'inner', feature: 'bpfi', order: orders.bpfi, multiple: 1, sidebands: [-2, -1, 1, 2] },
    // A defect of a ball strikes both races in each turn of the ball.
    {
      part: 'ball',
      feature: 'bsf',
      order: 2 * orders.bsf,
      multiple: 2,
      sidebands: [-2 * ftf, -ftf, ftf, 2 * ftf],
    },
    { part: 'cage', feature: 'ftf', order: ftf, multiple: 1, sidebands: [] },
  ];
  return all.filter(({ order }) => order * segmentTurns >= LEAST_PERIODS);
}

/** The strongest case for each part of the bearing, strongest part first. */
export function bearingEvidence(
  spectra: MachineSpectra,
  orders: BearingOrders,
  speed: ShaftSpeed,
): BearingEvidence[] {
  const candidates = candidateSpeeds(speed);
  const fields = spectra.whitened.map((band) => ({ band, field: new LineField(band.spectrum) }));
  return hypotheses(orders, spectra.segmentTurns)
    .map((hypothesis) => {
      const looks = looksAt(hypothesis, spectra, speed);
      return fields
        .map(({ band, field }) => strongestCase(band, field, hypothesis, candidates, speed, looks))
        .reduce((best, next) => (merit(next) > merit(best) ? next : best));
    })
    .sort((a, b) => merit(b) - merit(a));
}

/** What a case is compared by: lines that are certain and matter. */
export const merit = (evidence: BearingEvidence): number =>
  evidence.weight * Math.min(1, evidence.depth) * evidence.support;

/** What speaks for a case apart from the lines that are harmonics or sidebands of a better one as well. */
export function meritBeside(evidence: BearingEvidence, better: BearingEvidence): number {
  const own = evidence.lines.filter(({ frequencyHz }) => !explains(better, frequencyHz));
  const weight = own.reduce((sum, { ratio }) => sum + Math.max(0, Math.log(ratio / NOISE_RATIO)), 0);
  const depth = own.reduce(
    (sum, { value, ratio }) => sum + value * Math.sqrt(Math.max(0, 1 - ratio ** -2)),
    0,
  );
  return weight * Math.min(1, depth) * evidence.support;
}

function explains({ frequencyHz, shaftHz, sidebands, band }: BearingEvidence, hz: number): boolean {
  const near = LINE_BINS * band.spectrum.binHz;
  return [0, ...sidebands].some((side) => {
    const distance = hz - side * shaftHz;
    const harmonic = Math.round(distance / frequencyHz);
    // What swells and fades with the load zone is felt at that rate too.
    return (
      harmonic >= (side === 0 ? 1 : 0) &&
      harmonic <= 2 * HARMONICS &&
      Math.abs(distance - harmonic * frequencyHz) < near
    );
  });
}

/** Places that are independent of each other and at which the fault's harmonics were looked for, over all bands. */
function looksAt({ order }: Hypothesis, { whitened }: MachineSpectra, speed: ShaftSpeed): number {
  const range = 2 * (SLIP + (speed.certain ? 0 : SPEED_RANGE));
  const binHz = whitened[0]!.spectrum.binHz;
  return whitened.length * Math.max(1, (range * HARMONICS * order * speed.shaftHz) / (2 * binHz));
}

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
  field: LineField,
  { part, feature, order, multiple, sidebands }: Hypothesis,
  candidates: readonly CandidateSpeed[],
  { certain, declaredHz }: ShaftSpeed,
  looks: number,
): BearingEvidence {
  let best = { total: Number.NEGATIVE_INFINITY, shaftHz: candidates[0]!.shaftHz, frequencyHz: 0 };
  for (const { shaftHz, bonus } of candidates) {
    for (let slip = -SLIP; slip <= SLIP + SLIP_STEP / 2; slip += SLIP_STEP) {
      const frequencyHz = order * shaftHz * (1 + slip);
      let total = bonus;
      for (let harmonic = 1; harmonic <= HARMONICS; harmonic++)
        total += field.weightAt(harmonic * frequencyHz, shaftHz);
      if (total > best.total) best = { total, shaftHz, frequencyHz };
    }
  }
  const { shaftHz, frequencyHz } = best;
  const surprises = Array.from({ length: HARMONICS }, (_, i) => field.at((i + 1) * frequencyHz, shaftHz));
  const lines = surprises.flatMap((surprise, i): { line: Line; name: string }[] => {
    if (surprise < LINE_SURPRISE) return [];
    const name = harmonicName(feature, (i + 1) * multiple);
    return [{ line: lineNear(band.spectrum, (i + 1) * frequencyHz), name }];
  });
  return {
    part,
    surprise: Math.max(0, surpriseOf(field, frequencyHz, shaftHz, sidebands) - Math.log(looks)),
    weight: Array.from({ length: HARMONICS }, (_, i) =>
      field.weightAt((i + 1) * frequencyHz, shaftHz),
    ).reduce((a, b) => a + b),
    depth: lines.reduce((sum, { line }) => sum + line.excess, 0),
    shaftHz,
    frequencyHz,
    sidebands,
    support:
      (certain ? 1 : nearness(frequencyHz / (order * declaredHz))) *
      sidebandSupport(field, frequencyHz, shaftHz, sidebands),
    grounded: lines.length >= 2 && Math.max(surprises[0]!, surprises[1]!) >= GROUND_SURPRISE,
    band,
    lines: lines.map(({ line, name }) => toEvidence(line, name, shaftHz)),
  };
}

/**
 * -ln of the chance that noise makes the harmonics of a frequency, or them and the sidebands of the first two, stand
 * out so far in one place: the surprise of a line in noise is exponentially distributed, a sum of them Gamma (Fisher).
 */
function surpriseOf(
  field: LineField,
  frequencyHz: number,
  shaftHz: number,
  sidebands: readonly number[],
): number {
  let sum = 0;
  let count = 0;
  for (let harmonic = 1; harmonic <= HARMONICS && field.holds(harmonic * frequencyHz); harmonic++) {
    sum += field.at(harmonic * frequencyHz, shaftHz);
    count++;
  }
  const bare = -logGammaTail(count, sum);
  if (sidebands.length === 0) return bare;
  for (const harmonic of [1, 2]) {
    for (const side of sidebands) {
      const hz = harmonic * frequencyHz + side * shaftHz;
      if (!field.holds(hz)) continue;
      sum += field.at(hz, shaftHz);
      count++;
    }
  }
  // Two ways to look at it.
  return Math.max(bare, -logGammaTail(count, sum)) - Math.LN2;
}

/** Support without any sideband, and what clear ones add. */
const BARE_SUPPORT = 0.6;
const SIDEBAND_GAIN = 0.15;

/**
 * A defect that turns through the load zone is modulated by its turning: the inner race once a turn of the shaft, a
 * ball once a turn of the cage (Randall and Antoni 2011).
 */
function sidebandSupport(
  field: LineField,
  frequencyHz: number,
  shaftHz: number,
  sidebands: readonly number[],
): number {
  if (sidebands.length === 0) return 1;
  let support = BARE_SUPPORT;
  for (const harmonic of [1, 2])
    for (const side of sidebands)
      support += SIDEBAND_GAIN * field.weightAt(harmonic * frequencyHz + side * shaftHz, shaftHz);
  return Math.min(1.2, support);
}

/** Speed and slip both at the end of their range is the least likely of all cases: half as good as the nameplate's. */
const nearness = (ratio: number): number => 1 - 0.5 * ((ratio - 1) / (SPEED_RANGE + SLIP)) ** 2;

const harmonicName = (feature: string, multiple: number) =>
  multiple === 1 ? feature : `${multiple}x${feature}`;

const toEvidence = (line: Line, feature: string, shaftHz: number): Evidence => ({
  feature,
  frequencyHz: line.frequencyHz,
  orders: line.frequencyHz / shaftHz,
  value: line.amplitude,
  ratio: line.ratio,
});

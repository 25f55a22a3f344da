import { bearingOrders } from '../features/bearing-orders.js';
import { loadFft } from '../features/fft.js';
import { findShaftSpeed, type ShaftSpeed } from '../features/shaft-speed.js';
import { type AnalysisSpec, isSound } from '../features/spec.js';
import { type BearingEvidence, bearingEvidence, merit, meritBeside } from './bearing-evidence.js';
import type { Diagnosis, Evidence, Fault } from './diagnosis.js';
import { type GearEvidence, gearEvidence } from './gear-evidence.js';
import { machineSpectra } from './machine-spectra.js';
import { faultSentence } from './sentence.js';
import { type ShaftEvidence, shaftEvidence } from './shaft-evidence.js';

export type { Diagnosis, Evidence, Fault } from './diagnosis.js';

/** Turns of the shaft in one block below which its orders cannot be told apart. */
const LEAST_TURNS = 8;
/** Modulation depth, summed over the harmonics, below which a line of the bearing is no damage. */
const LEAST_DEPTH = 0.3;
/**
 * -ln of the share of recordings of sound bearings on which noise may make a case for a part: one in a thousand, and
 * one in ten thousand where the speed is searched along with the fault and other lines get their chance.
 */
const LEAST_SURPRISE = { certain: Math.log(1000), searched: Math.log(10_000) } as const;
/** The second part of the bearing must be this far behind the first, else both are possible. */
const RIVAL_SHARE = { certain: 0.85, searched: 0.6 } as const;
/** Share of its merit that a case must draw from lines that its rival does not explain. */
const OWN_SHARE = 0.3;
/** Turns of the shaft between whole order and fault frequency that slip can bridge, share of the frequency. */
const HIDDEN_WITHIN = 0.01;
/** A cage turns unevenly in many sound bearings: only a strong case is a fault. */
const CAGE_DEPTH = 0.8;
/** A converter that uses so few of its steps measures itself, not the machine. */
const LEAST_LEVELS = 16;
/** Samples that one transform takes. */
const LONGEST_PIECE = 262_144;
/** Orders of the shaft that tell its speed. */
const VIBRATION_ORDERS = 10;
const ENVELOPE_ORDERS = 8;
const HIGHEST_BPFI_HARMONIC = 4.3;
/** Orders of the envelope that are looked at where no bearing is known. */
const DEFAULT_MAX_ORDER = 12;

/**
 * Verdict over the blocks of one recording, from physics alone. All blocks count that are as long as the first; the
 * longer they are, the finer the verdict (48 turns of the shaft are good, 8 are needed). It says `unknown` where
 * speed and signal do not suffice, and where two causes explain the signal alike.
 *
 * Method: the true speed within ±7 % of the declared one from the shaft's own orders; envelope spectra after
 * cepstrum pre-whitening (Borghesani 2013) in bands; harmonics of each fault frequency within the slip of a bearing
 * (Randall and Antoni 2011), lines on whole shaft orders left out; then the shaft's orders as velocity.
 */
export async function diagnose(blocks: readonly Float32Array[], spec: AnalysisSpec): Promise<Diagnosis> {
  const { speedRpm, bearing, sampleRateHz } = spec;
  const pieces = blocks.flatMap(cut);
  const first = pieces[0];
  if (isSound(spec)) return unknown('sound alone does not tell which part is at fault');
  if (speedRpm === undefined || !(speedRpm > 0)) return unknown('the speed of the shaft is not known');
  if (first === undefined) return unknown('there is no recording');
  const declaredHz = speedRpm / 60;
  const turns = (first.length / sampleRateHz) * declaredHz;
  if (turns < LEAST_TURNS)
    return unknown(`a block holds ${turns.toFixed(1)} turns of the shaft, ${LEAST_TURNS} are needed`);
  if (first.length < 512 || declaredHz > sampleRateHz / 16) return unknown('the sample rate is too low');
  if (countLevels(first) < LEAST_LEVELS)
    return unknown('the signal does not leave the noise of the converter; the machine may stand still');

  const orders = bearing === undefined ? undefined : bearingOrders(bearing);
  const library = await loadFft();
  const alike = pieces.filter((piece) => piece.length === first.length);
  const spectra = machineSpectra(library, alike, {
    sampleRateHz,
    shaftHz: declaredHz,
    maxOrder: orders === undefined ? DEFAULT_MAX_ORDER : HIGHEST_BPFI_HARMONIC * orders.bpfi,
  });
  const speed = findShaftSpeed(
    [
      { spectrum: spectra.vibration, orders: VIBRATION_ORDERS },
      { spectrum: spectra.envelope, orders: ENVELOPE_ORDERS },
    ],
    declaredHz,
  );
  const cases = orders === undefined ? [] : bearingEvidence(spectra, orders, speed);
  const verdict =
    bearingVerdict(cases, speed, orders !== undefined && isHidden(2 * orders.bsf)) ??
    gearVerdict(spec.gear && gearEvidence(library, alike, sampleRateHz, speed, spec.gear), speed) ??
    shaftVerdict(shaftEvidence(spectra.vibration, speed, spec), speed) ??
    healthy(cases, speed, bearing !== undefined);
  return speed.certain ? { ...verdict, speedRpm: speed.shaftHz * 60 } : verdict;
}

function bearingVerdict(
  cases: readonly BearingEvidence[],
  speed: ShaftSpeed,
  ballHidden: boolean,
): Diagnosis | undefined {
  const [best] = cases.filter((each) => isCase(each, speed));
  if (best === undefined) return undefined;
  // A rival need not be certain: it is enough that its lines explain the signal as well.
  const rivals = cases
    .filter((other) => other !== best && other.grounded && isDeep(other))
    .map((other) => ({ part: other.part, share: shareOf(other, best) }))
    .sort((a, b) => b.share - a.share);
  const [rival] = rivals;
  const share = rival?.share ?? 0;
  if (best.part === 'cage' && ballHidden)
    return unknown(
      'the cage is felt, but so it is with a defect of a ball, whose own frequency lies on an order of the shaft',
      best.lines,
    );
  if (share > RIVAL_SHARE[speed.certain ? 'certain' : 'searched'])
    return unknown(
      `the bearing is modulated, but ${best.part} and ${rival!.part} explain it alike`,
      best.lines,
    );
  const sure = 1 - Math.exp(-best.surprise / 7);
  const confidence = Math.min(0.99, sure * (1 - share / 2) * (speed.certain ? 1 : 0.9));
  const fault: Fault = best.part;
  return {
    fault,
    confidence,
    evidence: best.lines,
    sentence: faultSentence(fault, best.lines, best.shaftHz),
  };
}

/** Whether a fault frequency lies so near to a whole order that slip may put it there, where it cannot be told from it. */
const isHidden = (order: number): boolean => Math.abs(order - Math.round(order)) < HIDDEN_WITHIN * order;

function gearVerdict(gear: GearEvidence | undefined, speed: ShaftSpeed): Diagnosis | undefined {
  if (gear === undefined) return undefined;
  const { confidence, lines } = gear;
  return {
    fault: 'gear',
    confidence,
    evidence: lines,
    sentence: faultSentence('gear', lines, speed.shaftHz),
  };
}

function shaftVerdict(shaft: ShaftEvidence | undefined, speed: ShaftSpeed): Diagnosis | undefined {
  if (shaft === undefined) return undefined;
  const { fault, confidence, lines } = shaft;
  return { fault, confidence, evidence: lines, sentence: faultSentence(fault, lines, speed.shaftHz) };
}

/**
 * How well a rival explains the signal against the best case: apart from the lines of both, if the best has others of
 * its own or its sidebands make it a thousand times as likely.
 */
function shareOf(rival: BearingEvidence, best: BearingEvidence): number {
  const own = meritBeside(best, rival);
  const moreLikely = best.surprise - rival.surprise > LEAST_SURPRISE.certain;
  const apart = moreLikely || own > OWN_SHARE * merit(best);
  return (apart ? meritBeside(rival, best) : merit(rival)) / merit(best);
}

/** Whether the lines are there for certain and deep enough to matter. */
const isCase = (evidence: BearingEvidence, { certain }: ShaftSpeed): boolean =>
  evidence.grounded && evidence.surprise >= leastSurprise(certain) && isDeep(evidence);

const leastSurprise = (certain: boolean) => LEAST_SURPRISE[certain ? 'certain' : 'searched'];

const isDeep = ({ part, depth }: BearingEvidence): boolean =>
  depth >= (part === 'cage' ? CAGE_DEPTH : LEAST_DEPTH);

function healthy(cases: readonly BearingEvidence[], speed: ShaftSpeed, bearingKnown: boolean): Diagnosis {
  const closest = cases.reduce((top, next) => Math.max(top, next.surprise / leastSurprise(speed.certain)), 0);
  // A speed that was not found leaves room for a fault that was looked for in the wrong place.
  const confidence =
    (bearingKnown ? 0.9 : 0.6) * (speed.certain ? 1 : 0.6) * (1 - Math.min(0.7, closest / 3));
  return {
    fault: 'normal',
    confidence,
    evidence: [],
    sentence: bearingKnown
      ? 'No fault: neither the bearing nor the orders of the shaft stand out.'
      : 'No fault in the orders of the shaft; the bearing is not known and was not examined.',
  };
}

const unknown = (why: string, evidence: readonly Evidence[] = []): Diagnosis => ({
  fault: 'unknown',
  confidence: 0,
  evidence,
  sentence: `No verdict: ${why}.`,
});

/** Equal pieces of a block that is longer than one transform. */
function cut(block: Float32Array): Float32Array[] {
  const count = Math.ceil(block.length / LONGEST_PIECE);
  const length = Math.floor(block.length / Math.max(1, count));
  return Array.from({ length: count }, (_, i) => block.subarray(i * length, (i + 1) * length));
}

/** Different sample values among the first thousands, up to LEAST_LEVELS. */
function countLevels(samples: Float32Array): number {
  const levels = new Set<number>();
  for (let i = 0; i < samples.length && i < 8192 && levels.size < LEAST_LEVELS; i++) levels.add(samples[i]!);
  return levels.size;
}

import type { Diagnosis, Fault } from './diagnosis.js';

/**
 * The shocks of one bad bearing travel along the shaft and the housing: sensors at the other bearings show the same line, weaker. A
 * verdict that is a neighbour's fault rather than one of its own says so, so that nobody changes two bearings for one.
 */

/** Lines nearer than this share of their frequency are one: bearings of one type on one shaft slip alike. */
const SAME_LINE = 0.01;
/** From so much on the neighbour is the louder one beyond doubt (3.5 dB). */
const LOUDER = 1.5;
const BEARING_FAULTS: ReadonlySet<Fault> = new Set(['outer', 'inner', 'ball', 'cage']);

interface Line {
  readonly machine: string;
  readonly fault: Fault;
  readonly frequencyHz: number;
  /** Amplitude of the line in the envelope, in the unit of the signal: depth of the modulation times the envelope. */
  readonly amplitude: number;
  readonly unit: string;
}

/** Where a signal was diagnosed. */
export interface DiagnosedPlace {
  readonly point: string;
  readonly machine: string;
  readonly unit: string;
  /** RMS of the envelope of the same signal, in `unit`; a verdict without it is left as it is. */
  readonly envelopeRms: number | undefined;
}

/** The lines of the bearings that are diagnosed as faulty at present, one a point. */
export class TravellingLines {
  readonly #lines = new Map<string, Line>();

  /** The diagnosis, with a word on where the same line is stronger, where that is so. */
  tell(diagnosis: Diagnosis, { point, machine, unit, envelopeRms }: DiagnosedPlace): Diagnosis {
    const { fault, evidence } = diagnosis;
    const first = evidence[0];
    this.#lines.delete(point);
    if (!BEARING_FAULTS.has(fault) || first === undefined || !(envelopeRms! > 0)) return diagnosis;
    const amplitude = first.value * envelopeRms!;
    const line: Line = { machine, fault, frequencyHz: first.frequencyHz, amplitude, unit };
    this.#lines.set(point, line);
    const [louder, times] = this.#loudest(line);
    if (louder === undefined) return diagnosis;
    const word = `The same line is ${times.toFixed(1)} times as strong at ${louder}: look there first.`;
    return { ...diagnosis, sentence: `${diagnosis.sentence} ${word}` };
  }

  /** The point is sound again, or gone. */
  forget(point: string): void {
    this.#lines.delete(point);
  }

  #loudest(own: Line): readonly [point: string | undefined, times: number] {
    let found: string | undefined;
    let most = LOUDER;
    for (const [point, { machine, fault, frequencyHz, amplitude, unit }] of this.#lines) {
      if (machine !== own.machine || fault !== own.fault || unit !== own.unit) continue;
      if (Math.abs(frequencyHz - own.frequencyHz) > SAME_LINE * own.frequencyHz) continue;
      const times = amplitude / own.amplitude;
      if (times < most) continue;
      found = point;
      most = times;
    }
    return [found, most];
  }
}

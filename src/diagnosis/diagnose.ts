import { bearingOrders } from '../features/bearings.js';
import { BlockSpectrum, EnvelopePlan, EnvelopeSpectrum } from '../features/envelope.js';
import { lineOverFloor, SCRATCH_BINS } from '../features/fault-lines.js';
import { loadFft } from '../features/fft.js';
import { Kurtogram } from '../features/kurtogram.js';
import { type AnalysisSpec, isSound } from '../features/spec.js';
import type { Diagnosis, Evidence, Fault } from './diagnosis.js';

export type { Diagnosis, Evidence, Fault } from './diagnosis.js';

const NO_EVIDENCE: readonly Evidence[] = [];

/**
 * Verdict over the blocks of one recording (all of one length), from physics alone. Without speed or bearing it
 * can only say `unknown`.
 */
export async function diagnose(blocks: readonly Float32Array[], spec: AnalysisSpec): Promise<Diagnosis> {
  const unknown = (why: string): Diagnosis => ({
    fault: 'unknown',
    confidence: 0,
    evidence: NO_EVIDENCE,
    sentence: `No diagnosis: ${why}.`,
  });
  const { speedRpm, bearing } = spec;
  if (isSound(spec)) return unknown('sound alone does not tell the part at fault');
  if (speedRpm === undefined || bearing === undefined)
    return unknown('the speed or the bearing is not known');
  const first = blocks[0];
  if (first === undefined || first.length < 1024) return unknown('the recording is too short');
  const library = await loadFft();
  const block = BlockSpectrum.create(library, first.length, spec.sampleRateHz)!;
  const orders = bearingOrders(bearing);
  const shaftHz = speedRpm / 60;
  const kurtogram = new Kurtogram(library, block.length, spec.sampleRateHz, {
    minWidthHz: 4 * orders.bpfi * shaftHz,
    lowHz: Math.min(500, spec.sampleRateHz / 8),
  });
  const plan = new EnvelopePlan(library, block.length, spec.sampleRateHz, block.length / 2);
  const maxHz = 3.5 * orders.bpfi * shaftHz;
  const envelope = new EnvelopeSpectrum(library, plan.length, plan.sampleRateHz, plan.margin, maxHz);
  try {
    const sum = new Float64Array(envelope.depth.length);
    for (const samples of blocks.filter((candidate) => candidate.length === first.length)) {
      block.compute(samples);
      kurtogram.compute(block.data);
      const depth = envelope.compute(plan.compute(block.data, kurtogram.band!));
      for (let k = 0; k < sum.length; k++) sum[k]! += depth[k]! / blocks.length;
    }
    return judge(sum, envelope.binHz, shaftHz, orders);
  } finally {
    for (const part of [block, kurtogram, plan, envelope]) part.close();
  }
}

function judge(
  depth: Float64Array,
  binHz: number,
  shaftHz: number,
  orders: ReturnType<typeof bearingOrders>,
): Diagnosis {
  const scratch = new Float64Array(SCRATCH_BINS);
  const candidates: readonly (readonly [Fault, string, number])[] = [
    ['outer', 'bpfo', orders.bpfo],
    ['inner', 'bpfi', orders.bpfi],
    ['ball', '2xbsf', 2 * orders.bsf],
  ];
  const scored = candidates.map(([fault, feature, order]) => {
    const lines = [1, 2, 3].map((harmonic) => {
      const bin = (harmonic * order * shaftHz) / binHz;
      const reach = Math.max(1.5, bin * 0.02);
      return lineOverFloor(
        depth,
        Math.ceil(bin - reach),
        Math.floor(bin + reach),
        Math.round(bin * 0.1),
        scratch,
      );
    });
    const evidence = lines.flatMap((line, index): Evidence[] =>
      line === undefined || line.ratio < 4
        ? []
        : [
            {
              feature: index === 0 ? feature : `${index + 1}x${feature}`,
              frequencyHz: line.bin * binHz,
              orders: (line.bin * binHz) / shaftHz,
              value: line.value,
              ratio: line.ratio,
            },
          ],
    );
    return { fault, evidence, score: lines.reduce((sum, line) => sum + (line?.ratio ?? 0), 0) };
  });
  const best = scored.reduce((top, next) => (next.score > top.score ? next : top));
  if (best.score < 40 || best.evidence.length < 2)
    return {
      fault: 'normal',
      confidence: Math.max(0.1, 1 - best.score / 60),
      evidence: NO_EVIDENCE,
      sentence: 'No fault frequency of the bearing stands out of the envelope spectrum.',
    };
  return {
    fault: best.fault,
    confidence: best.score / (best.score + 40),
    evidence: best.evidence,
    sentence: `The envelope repeats at ${best.evidence[0]!.frequencyHz.toFixed(1)} Hz, the ${best.fault} race or element of the bearing.`,
  };
}

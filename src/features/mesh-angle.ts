import { BlockSpectrum } from './envelope.js';
import { ComplexFft, type FftLibrary, fftLengthAtLeast } from './fft.js';
import type { ShaftAngle } from './shaft-angle.js';

/** Half width of the band around the mesh, orders of the shaft: less than one, so that its sidebands stay outside. */
const BAND_ORDERS = 0.45;
/** Points of the angle at each end that the edges of the block spoil, share. */
const EDGE = 0.03;

/**
 * The angle of the shaft from the phase of its gear mesh: a tachometer without a tachometer (Bonnardot et al. 2005). It
 * follows slow changes of the speed; what happens within a turn stays in the signal. `shaftHz` must be right to 0.5 %.
 */
export function angleFromMesh(
  library: FftLibrary,
  samples: Float32Array,
  sampleRateHz: number,
  shaftHz: number,
  teeth: number,
): ShaftAngle | undefined {
  const block = BlockSpectrum.create(library, samples.length, sampleRateHz);
  if (block === undefined) return undefined;
  try {
    block.compute(samples);
    const from = Math.round(((teeth - BAND_ORDERS) * shaftHz) / block.binHz);
    const to = Math.round(((teeth + BAND_ORDERS) * shaftHz) / block.binHz);
    if (from < 1 || to >= block.length / 2 || to - from < 8) return undefined;
    return phaseOf(library, block, from, to, samples.length, sampleRateHz, teeth);
  } finally {
    block.close();
  }
}

function phaseOf(
  library: FftLibrary,
  block: BlockSpectrum,
  from: number,
  to: number,
  sampleCount: number,
  sampleRateHz: number,
  teeth: number,
): ShaftAngle {
  const fft = new ComplexFft(library, fftLengthAtLeast(2 * (to - from), 'complex'));
  try {
    const { data, length } = fft;
    data.fill(0);
    data.set(block.data.subarray(2 * from, 2 * to));
    fft.inverse();
    const durationS = block.length / sampleRateHz;
    const startS = Math.floor((sampleCount - block.length) / 2) / sampleRateHz;
    const edge = Math.ceil(EDGE * length);
    const count = length - 2 * edge;
    const timesS = new Float64Array(count);
    const turns = new Float64Array(count);
    let before = 0;
    let wraps = 0;
    for (let n = 0; n < count; n++) {
      const i = edge + n;
      const phase = Math.atan2(data[2 * i + 1]!, data[2 * i]!) / (2 * Math.PI);
      if (n > 0 && phase - before > 0.5) wraps--;
      if (n > 0 && phase - before < -0.5) wraps++;
      before = phase;
      const local = (i / length) * durationS;
      timesS[n] = startS + local;
      // Bin `from` was shifted to zero frequency: its turns come back here.
      turns[n] = (phase + wraps + (from / durationS) * local) / teeth;
    }
    return ascending({ timesS, turns });
  } finally {
    fft.close();
  }
}

/** Where noise turned the phase back, the angle waits. */
function ascending(angle: ShaftAngle): ShaftAngle {
  const { timesS, turns } = angle;
  for (let i = 1; i < turns.length; i++) if (!(turns[i]! > turns[i - 1]!)) turns[i] = turns[i - 1]! + 1e-9;
  return { timesS, turns };
}

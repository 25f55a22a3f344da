import { gaussian, type Random, seededRandom } from '#sm/base/random.js';

/** A machine whose vibration is known: shaft orders, a bearing with or without a defect, noise. */
export interface VirtualMachine {
  readonly sampleRateHz: number;
  readonly durationS: number;
  readonly shaftHz: number;
  readonly seed?: number;
  /** Standard deviation of the noise, g. */
  readonly noise?: number;
  /** Velocity amplitude of shaft orders, mm/s peak: order to amplitude. */
  readonly orders?: Readonly<Record<number, number>>;
  readonly defect?: {
    readonly frequencyHz: number;
    /** Peak of a shock, g. */
    readonly shock: number;
    readonly resonanceHz: number;
    /** The shocks swell and fade at this frequency (load zone), 0 for none. */
    readonly modulationHz: number;
    /** Standard deviation of the time between shocks, share of it: rolling elements slip. */
    readonly slip?: number;
  };
}

const G = 9.80665;

export function vibrationOf(machine: VirtualMachine): Float32Array {
  const { sampleRateHz, durationS, shaftHz, defect } = machine;
  const random = seededRandom(machine.seed ?? 1);
  const length = Math.round(sampleRateHz * durationS);
  const samples = Float32Array.from({ length }, () => (machine.noise ?? 0.05) * gaussian(random));
  for (const [order, velocityMmPerS] of Object.entries(machine.orders ?? {})) {
    const omega = 2 * Math.PI * Number(order) * shaftHz;
    const amplitude = (velocityMmPerS * omega) / 1000 / G;
    const phase = 2 * Math.PI * random();
    for (let i = 0; i < length; i++) samples[i]! += amplitude * Math.sin((omega * i) / sampleRateHz + phase);
  }
  if (defect !== undefined) addShocks(samples, sampleRateHz, defect, random);
  return samples;
}

function addShocks(
  samples: Float32Array,
  sampleRateHz: number,
  defect: NonNullable<VirtualMachine['defect']>,
  random: Random,
): void {
  const decay = 0.08 * 2 * Math.PI * defect.resonanceHz;
  const ringing = Math.ceil((7 / decay) * sampleRateHz);
  for (let timeS = 0.001; timeS < samples.length / sampleRateHz; ) {
    const load =
      defect.modulationHz === 0 ? 1 : Math.max(0, Math.cos(2 * Math.PI * defect.modulationHz * timeS));
    const peak = defect.shock * load * (0.85 + 0.3 * random());
    const start = Math.ceil(timeS * sampleRateHz);
    for (let i = start; i < Math.min(samples.length, start + ringing); i++) {
      const t = i / sampleRateHz - timeS;
      samples[i]! += peak * Math.exp(-decay * t) * Math.sin(2 * Math.PI * defect.resonanceHz * t);
    }
    timeS += (1 + (defect.slip ?? 0.01) * gaussian(random)) / defect.frequencyHz;
  }
}

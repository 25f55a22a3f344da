import { z } from 'zod';
import type { AnalysisSpec } from '../../features/spec.js';

const PREFIX = 'signal:';

const schema = z.object({
  quantity: z.string(),
  unit: z.string(),
  sampleRateHz: z.number().positive(),
  blockSamples: z.number().int().positive(),
});

/** What the features of a point are made of. */
export type SignalFacts = z.infer<typeof schema>;

/** Kept in the store beside the features, which do not say it themselves. */
export const signalDocument = (point: string, spec: AnalysisSpec) => {
  const { quantity, unit, sampleRateHz, blockLength } = spec;
  const document: SignalFacts = { quantity, unit, sampleRateHz, blockSamples: blockLength };
  return { key: signalKey(point), document };
};

export const signalKey = (point: string): string => `${PREFIX}${point}`;

/** Undefined for a point that no waveform came from yet. */
export const parseSignal = (document: unknown): SignalFacts | undefined => schema.safeParse(document).data;

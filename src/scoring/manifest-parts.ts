import { z } from 'zod';

/** Limits on what a model may bring: a gateway has 1 GB of memory, and a manifest is read whole. */
export const MODEL_LIMITS = {
  manifestBytes: 4 * 2 ** 20,
  modelBytes: 64 * 2 ** 20,
  features: 1024,
  goldenVectors: 256,
  histogramBins: 64,
  steps: 1024,
  samples: 131_072,
  labels: 256,
  pieces: 64,
} as const;

export const finite = () => z.number().refine(Number.isFinite, 'must be a finite number');

export const featureName = () => z.string().min(1).max(100);

export const tensorName = (describe: string) => z.string().min(1).max(200).describe(describe);

export const histogram = () =>
  z
    .strictObject({
      edges: z
        .array(finite())
        .min(1)
        .max(MODEL_LIMITS.histogramBins)
        .describe('Inner bin edges, ascending; the first and the last bin are open.'),
      counts: z
        .array(z.number().int().nonnegative())
        .describe('Training samples per bin: one more than there are edges.'),
    })
    .superRefine(({ edges, counts }, context) => {
      if (counts.length !== edges.length + 1)
        context.addIssue({
          code: 'custom',
          message: `${edges.length} edges need ${edges.length + 1} counts, not ${counts.length}`,
        });
      if (edges.some((edge, i) => i > 0 && edge <= edges[i - 1]!))
        context.addIssue({ code: 'custom', message: 'edges must ascend' });
    });

import { z } from 'zod';
import { byteSize, duration } from '../base/schema.js';
import type { AnalysisSpec, ConditioningSpec, SpectrumSpec } from './spec.js';

/** How the slow signals of certain points are followed. */
const trendSchema = z
  .strictObject({
    point: z
      .string()
      .min(1)
      .max(200)
      .describe('The points that this holds for; * stands for any characters: *.temperature'),
    window: duration({ minMs: 60_000, maxMs: 90 * 86_400_000 })
      .prefault('1h')
      .describe('The stretch that slope and variance are of'),
    every: duration({ minMs: 10_000, maxMs: 86_400_000 })
      .prefault('10min')
      .describe('From one stored trend to the next'),
    season: duration({ minMs: 60_000, maxMs: 31 * 86_400_000 })
      .optional()
      .describe('Length of a regular course, such as 1d: it is learned over two of them and taken away'),
    publish: z
      .boolean()
      .default(false)
      .describe(
        'Slope and rate become points of their own, POINT.slope and POINT.rate, that alarms can name',
      ),
  })
  .describe('How the slow signals of certain points are followed');

/** How the waveforms of certain points are analysed. */
const ruleSchema = z
  .strictObject({
    point: z
      .string()
      .min(1)
      .max(200)
      .describe('The points that this holds for; * stands for any characters: pump-1.*.acceleration'),
    block: z
      .number()
      .int()
      .min(256)
      .max(1_048_576)
      .optional()
      .describe('Samples of one analysis window; default a second and sixteen turns of the shaft'),
    overlap: z
      .number()
      .min(0)
      .max(0.9)
      .optional()
      .describe('Share of a window that the next one repeats; default 0'),
    window: z
      .enum(['hann', 'hamming', 'blackman-harris', 'flat-top', 'rectangular'])
      .optional()
      .describe('Window of the power spectrum; default hann. flat-top reads amplitudes within 0.1 %'),
    segment: z
      .number()
      .int()
      .min(32)
      .max(262_144)
      .optional()
      .describe(
        'Points of one transform: shorter segments are averaged over the window (Welch); default the window',
      ),
    segmentOverlap: z.number().min(0).max(0.95).optional().describe('Overlap of the segments; default 0.5'),
    averaging: z
      .enum(['linear', 'exponential', 'peak-hold'])
      .optional()
      .describe('How the segments become one spectrum; default linear'),
    highPassHz: z
      .number()
      .positive()
      .max(1e6)
      .optional()
      .describe('Butterworth high-pass against bias and drift, Hz; default none'),
    highPassOrder: z.number().int().min(1).max(8).optional().describe('Order of the high-pass; default 4'),
    sampleRateHz: z
      .number()
      .positive()
      .max(1e7)
      .optional()
      .describe('Analyse at this rate: the signal is decimated or resampled to it; default its own'),
    detail: z
      .enum(['standard', 'full'])
      .optional()
      .describe('full adds percentiles, autocorrelation, spectral lines, third octaves, MFCC of sound'),
  })
  .describe('How the waveforms of certain points are analysed');

export const analysisConfigSchema = z
  .strictObject({
    ring: duration({ minMs: 1_000, maxMs: 600_000 })
      .prefault('10s')
      .describe('Raw signal kept in memory for each waveform point'),
    ringBytes: byteSize({ minBytes: 65_536 })
      .optional()
      .describe('Most memory of one ring: shortens it at high sample rates; default no limit but memory'),
    memory: byteSize({ minBytes: 1_048_576 })
      .prefault('256MiB')
      .describe(
        'Memory of all rings together; a point that does not fit is stored, not analysed, and counted',
      ),
    capture: z
      .strictObject({
        before: duration({ minMs: 0, maxMs: 300_000 })
          .prefault('5s')
          .describe('Raw signal from before the event'),
        after: duration({ minMs: 0, maxMs: 300_000 })
          .prefault('2s')
          .describe('Raw signal from after the event'),
      })
      .prefault({})
      .describe('The raw signal that is stored when something happens at a point'),
    points: z
      .array(ruleSchema)
      .max(1000)
      .default([])
      .describe('Points that are analysed otherwise; of several that match, the first holds'),
    trends: z
      .array(trendSchema)
      .max(1000)
      .prefault([{ point: '*' }])
      .describe(
        'Slope, variance and rate of scalar points; of several that match, the first holds; [] for none',
      ),
  })
  .prefault({})
  .describe('Analysis of waveforms and of slow signals');

export type AnalysisConfig = z.infer<typeof analysisConfigSchema>;
export type AnalysisRule = z.infer<typeof ruleSchema>;
export type TrendRule = z.infer<typeof trendSchema>;

/** The first rule that holds for a point. */
export function ruleFor<T extends { readonly point: string }>(
  rules: readonly T[],
  point: string,
): T | undefined {
  return rules.find(({ point: pattern }) => matches(pattern, point));
}

function matches(pattern: string, point: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(point);
}

/** What a rule changes of a spec. */
export function applyRule(spec: AnalysisSpec, rule: AnalysisRule | undefined): AnalysisSpec {
  if (rule === undefined) return spec;
  const spectrum: SpectrumSpec = {
    ...(rule.segment === undefined ? {} : { segment: rule.segment }),
    ...(rule.segmentOverlap === undefined ? {} : { overlap: rule.segmentOverlap }),
    ...(rule.averaging === undefined ? {} : { averaging: rule.averaging }),
  };
  const conditioning: ConditioningSpec = {
    ...(rule.highPassHz === undefined ? {} : { highPassHz: rule.highPassHz }),
    ...(rule.highPassOrder === undefined ? {} : { highPassOrder: rule.highPassOrder }),
    ...(rule.sampleRateHz === undefined ? {} : { sampleRateHz: rule.sampleRateHz }),
  };
  const used = (part: object) => Object.keys(part).length > 0;
  return {
    ...spec,
    ...(rule.block === undefined ? {} : { blockLength: rule.block }),
    ...(rule.window === undefined ? {} : { window: rule.window }),
    ...(rule.detail === undefined ? {} : { detail: rule.detail }),
    ...(used(spectrum) ? { spectrum } : {}),
    ...(used(conditioning) ? { conditioning } : {}),
  };
}

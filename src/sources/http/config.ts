import { z } from 'zod';
import { identifier } from '../../base/schema.js';
import { pointPattern } from '../../signals/point-pattern.js';
import { intakeShape } from '../intake/config.js';

export const httpConfigSchema = z.strictObject({
  id: identifier().describe('Name of this source, unique in the gateway'),
  type: z
    .literal('http')
    .describe('What is posted to /api/v1/data/ingest; without an entry of this type the defaults hold'),
  ...intakeShape,
  points: z
    .array(pointPattern())
    .min(1)
    .max(256)
    .default(['*'])
    .describe('Points that may be written; * stands for any part of a name'),
  maxPoints: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(10_000)
    .describe('Different points that may be written; a request with a further one is refused'),
  maxReadings: z.number().int().min(1).max(100_000).default(10_000).describe('Readings in one request'),
  maxSamples: z
    .number()
    .int()
    .min(1)
    .max(4_000_000)
    .default(1_000_000)
    .describe('Samples of all waveforms in one request'),
});

export type HttpConfig = z.infer<typeof httpConfigSchema>;

import { z } from 'zod';
import type { Reading } from '../signals/reading.js';

/** What is said of a scalar value, whatever payload it comes in. */
export const scalarShape = {
  unit: z.string().min(1).max(32).describe('Unit of the value after scale and offset, such as degC, A, rpm'),
  scale: z.number().default(1).describe('The value is raw × scale + offset'),
  offset: z.number().default(0).describe('The value is raw × scale + offset'),
  range: z
    .tuple([z.number(), z.number()])
    .refine(([low, high]) => low < high, 'range is [low, high], low first')
    .optional()
    .describe('Plausible values after scaling, [low, high]; outside them the quality is bad'),
  sentinel: z
    .number()
    .optional()
    .describe('Raw value by which the device says "no measurement"; it gives quality bad'),
};

export interface ScalarRules {
  readonly unit: string;
  readonly scale: number;
  readonly offset: number;
  readonly range?: [number, number] | undefined;
  readonly sentinel?: number | undefined;
}

/** A raw number as a reading, judged by the rules. */
export function scalarReading(point: string, timeMs: number, raw: number, rules: ScalarRules): Reading {
  const { unit, range } = rules;
  // Plain literals: this runs for every message, and a spread costs more than the rest of it.
  if (rules.sentinel !== undefined && raw === rules.sentinel) {
    return { point, timeMs, value: Number.NaN, unit, quality: 'bad', reason: 'sentinel' };
  }
  const value = raw * rules.scale + rules.offset;
  if (!Number.isFinite(value)) {
    return { point, timeMs, value: Number.NaN, unit, quality: 'bad', reason: 'not-a-number' };
  }
  if (range !== undefined && (value < range[0] || value > range[1])) {
    return { point, timeMs, value, unit, quality: 'bad', reason: 'out-of-range' };
  }
  return { point, timeMs, value, unit, quality: 'good' };
}

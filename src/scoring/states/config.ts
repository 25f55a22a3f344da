import { z } from 'zod';
import { duration } from '../../base/schema.js';
import { RESERVED_NAMES } from './state.js';
import type { MeasureRule } from './tracker.js';

export const stateName = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'use letters, digits, ".", "-" and "_" (at most 64)')
    .refine((name) => !RESERVED_NAMES.includes(name), `${RESERVED_NAMES.join(', ')} are the gateway's own`);

const binSchema = z
  .strictObject({
    name: stateName().describe('Name of the state, such as full-load'),
    from: z.number().optional().describe('Least value, in the unit of the point; without it there is none'),
    to: z.number().optional().describe('The value that no longer belongs to it; without it there is none'),
  })
  .refine((bin) => rangeOf(bin).from < rangeOf(bin).to, 'from has to be less than to');

const rangeOf = ({
  name,
  from,
  to,
}: {
  name: string;
  from?: number | undefined;
  to?: number | undefined;
}) => ({
  name,
  from: from ?? Number.NEGATIVE_INFINITY,
  to: to ?? Number.POSITIVE_INFINITY,
});

const MOST_BINS = 8;

const measureFields = {
  point: z
    .string()
    .regex(
      /^(\{machine\}|[A-Za-z0-9])[A-Za-z0-9_.-]{0,199}$/,
      'name a point, such as pump-1.shaft.speed, or {machine}.shaft.speed',
    )
    .describe('The point whose value tells the state; {machine} stands for the machine'),
  feature: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    .optional()
    .describe('Of a waveform: the feature that tells the state, such as rms'),
  unit: z
    .string()
    .min(1)
    .max(32)
    .optional()
    .describe('Unit of the numbers here; values of the point in another unit tell nothing'),
  bins: z
    .array(binSchema)
    .max(MOST_BINS)
    .default([])
    .describe('Steady states. None: whatever is not stopped is running'),
  hysteresis: z
    .number()
    .nonnegative()
    .optional()
    .describe(
      'How far beyond its edge a state is left, in the unit of the point; 2 % of the largest edge if missing',
    ),
  change: z
    .strictObject({
      by: z.number().positive().describe('Most change of a steady value, in the unit of the point'),
      within: duration({ minMs: 10, maxMs: 3_600_000 }).describe('In what time'),
    })
    .optional()
    .describe(
      'A faster change is a run-up or run-down; 2.5 % of the largest value in 5s, or 8 times its noise, if missing',
    ),
};

const loadSchema = z.strictObject(measureFields).superRefine(checkBins);

const declaredSchema = z
  .strictObject({
    ...measureFields,
    stoppedBelow: z
      .number()
      .positive()
      .optional()
      .describe('The machine stands still or idles while the magnitude of the value is below this'),
    load: loadSchema
      .optional()
      .describe('A second measure, such as power beside speed: its bins divide the states further'),
    dwell: duration({ maxMs: 3_600_000 }).prefault('5s').describe('A state holds once it lasted so long'),
    silentAfter: duration({ minMs: 1_000, maxMs: 86_400_000 })
      .optional()
      .describe(
        'Without a value for so long the state is unknown; five times the usual distance of values, at least 1min, if missing',
      ),
  })
  .superRefine(checkBins)
  .superRefine(({ stoppedBelow, bins, load }, context) => {
    if (stoppedBelow === undefined && bins.length === 0 && load === undefined)
      context.addIssue({ code: 'custom', message: 'give stoppedBelow, bins or load: nothing tells states' });
    if (Math.max(1, bins.length) * Math.max(1, load?.bins.length ?? 0) > MOST_STATES)
      context.addIssue({ code: 'custom', message: `more than ${MOST_STATES} states` });
  });

/** Steady states of one machine at most: each point has a baseline for each of them. */
export const MOST_STATES = 16;

/** How the operating states of a machine are known: declared, found from what its points show, or none. */
export const statesSchema = z
  .union([z.enum(['found', 'none']), declaredSchema])
  .default('found')
  .describe(
    'Operating states: found (from speed, current, power or the level of vibration), none, or declared by a point and its values',
  );

export type StatesConfig = z.infer<typeof statesSchema>;
export type DeclaredStates = z.infer<typeof declaredSchema>;
type Measure = z.infer<typeof loadSchema>;

function checkBins({ bins }: { bins: readonly z.infer<typeof binSchema>[] }, context: z.RefinementCtx): void {
  const sorted = bins.map(rangeOf).sort((a, b) => a.from - b.from);
  for (const [i, bin] of sorted.entries()) {
    if (i > 0 && bin.from < sorted[i - 1]!.to)
      context.addIssue({
        code: 'custom',
        path: ['bins'],
        message: `${sorted[i - 1]!.name} and ${bin.name} overlap`,
      });
  }
  if (new Set(bins.map(({ name }) => name)).size < bins.length)
    context.addIssue({ code: 'custom', path: ['bins'], message: 'two bins have one name' });
}

/** A measure of a machine, ready to be tracked. */
export interface TrackedMeasure {
  readonly point: string;
  readonly feature: string | undefined;
  readonly unit: string | undefined;
  readonly rule: MeasureRule;
}

/** The measures of a machine whose states are declared. */
export function declaredMeasures(config: DeclaredStates, machine: string): TrackedMeasure[] {
  const { load, dwell, stoppedBelow } = config;
  const first = measureOf(config, machine, dwell, stoppedBelow);
  return load === undefined ? [first] : [first, measureOf(load, machine, dwell, undefined)];
}

const HYSTERESIS_SHARE = 0.02;
/**
 * The level of a waveform scatters from block to block as no speed does, and a bad bearing scatters most: only that it
 * goes to another state tells of a run-up.
 */
export const ANY_CHANGE = { by: Number.MAX_VALUE, withinMs: 1 };

function measureOf(
  { point, feature, unit, bins, hysteresis, change }: Measure,
  machine: string,
  dwellMs: number,
  stoppedBelow: number | undefined,
): TrackedMeasure {
  const ranges = bins.map(rangeOf).sort((a, b) => a.from - b.from);
  const edges = [...ranges.flatMap(({ from, to }) => [from, to]), stoppedBelow ?? 0].filter(Number.isFinite);
  const largest = edges.reduce((most, edge) => Math.max(most, Math.abs(edge)), 0);
  const level = feature === undefined ? undefined : ANY_CHANGE;
  const steady = change === undefined ? level : { by: change.by, withinMs: change.within };
  return {
    point: point.replace('{machine}', machine),
    feature,
    unit,
    rule: {
      bins: ranges,
      hysteresis: hysteresis ?? HYSTERESIS_SHARE * largest,
      dwellMs,
      ...(stoppedBelow === undefined ? {} : { stoppedBelow }),
      ...(steady === undefined ? {} : { change: steady }),
    },
  };
}

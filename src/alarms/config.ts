import { z } from 'zod';
import { duration, identifier } from '../base/schema.js';

/** Priorities of ISA-18.2, most urgent last. */
export const PRIORITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Priority = (typeof PRIORITIES)[number];

const pointPattern = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9*][A-Za-z0-9*_.-]{0,199}$/,
      'name a point, such as pump-1.bearing-de.temperature; * stands for any run of characters',
    );

const FAULTS = ['outer', 'inner', 'ball', 'cage', 'unbalance', 'misalignment', 'looseness', 'gear'] as const;

const band = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low < high, 'write the lower limit first: [10, 80]');

const changeSchema = z.strictObject({
  by: z.number().positive().describe('How far the value moves, in the unit of the point'),
  within: duration({ minMs: 1_000, maxMs: 86_400_000 }).describe('In what time it moves so far'),
  direction: z.enum(['up', 'down', 'any']).default('any').describe('Which way it moves'),
});

/** When the machine is in a state in which the alarm counts, told by another point or by its operating states. */
const countsWhileSchema = z
  .strictObject({
    point: z
      .string()
      .regex(
        /^(\{machine\}|[A-Za-z0-9])[A-Za-z0-9_.-]{0,199}$/,
        'name a point, such as pump-1.speed, or {machine}.speed for the same machine',
      )
      .optional()
      .describe('The point that tells the operating state; {machine} stands for the machine of the alarm'),
    above: z.number().optional().describe('The alarm counts while that point is above this'),
    below: z.number().optional().describe('The alarm counts while that point is below this'),
    state: z
      .union([
        z
          .string()
          .max(130)
          .transform((name) => [name]),
        z.array(z.string().max(130)).min(1).max(32),
      ])
      .optional()
      .describe(
        'In place of a point: operating states of the machine (see machines[].states) in which the alarm counts',
      ),
  })
  .refine(
    ({ point, state, above, below }) =>
      (point !== undefined) !== (state !== undefined) &&
      (point !== undefined) === (above !== undefined || below !== undefined),
    'give point with above or below, or state',
  );

/** The keys of which an alarm has exactly one. */
export const CONDITIONS = [
  'above',
  'below',
  'outside',
  'change',
  'scoreAbove',
  'anomaly',
  'zone',
  'missing',
  'diagnosis',
] as const;

/** One alarm definition: a point (or many, by `*`), one condition, and what keeps it from chattering. */
export const alarmConfigSchema = z
  .strictObject({
    id: identifier().describe('Name of the alarm, unique in the gateway'),
    point: pointPattern().describe('The point; * stands for any run of characters'),
    machineClass: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe('Only points of machines of this class, such as pump'),
    feature: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .optional()
      .describe('Watch this feature of the waveform, such as velocityRmsMmPerS, in place of a reading'),
    above: z.number().optional().describe('Setpoint, in the unit of the point: the alarm comes above it'),
    below: z.number().optional().describe('Setpoint, in the unit of the point: the alarm comes below it'),
    outside: band.optional().describe('Band [low, high]: the alarm comes when the value leaves it'),
    change: changeSchema.optional().describe('The alarm comes when the value changes too fast'),
    scoreAbove: z
      .number()
      .optional()
      .describe('The alarm comes when the score of the point is above this, whatever its model says'),
    anomaly: z
      .literal(true)
      .optional()
      .describe(
        'The alarm comes when the point scores above the threshold of its model or baseline, and the validation lets it pass',
      ),
    zone: z
      .enum(['B', 'C', 'D'])
      .optional()
      .describe(
        'The alarm comes in this zone of ISO 20816-3 or a worse one; needs powerKw and mounting of the machine',
      ),
    missing: duration({ minMs: 1_000, maxMs: 30 * 86_400_000 })
      .optional()
      .describe('The alarm comes when no usable value arrived for this time'),
    diagnosis: z
      .array(z.enum(FAULTS))
      .min(1)
      .max(FAULTS.length)
      .optional()
      .describe('The alarm comes when the diagnosis of the point names one of these faults'),
    deadband: z
      .number()
      .min(0)
      .default(0)
      .describe(
        'The value has to come back by this much before the alarm goes (for scores: a share of the threshold)',
      ),
    onDelay: duration({ maxMs: 86_400_000 })
      .prefault('0s')
      .describe('The condition has to hold this long before the alarm comes'),
    offDelay: duration({ maxMs: 86_400_000 })
      .prefault('0s')
      .describe('The condition has to be gone this long before the alarm goes'),
    validated: z
      .boolean()
      .default(true)
      .describe(
        'For anomaly and diagnosis: false lets each anomaly count at once, without the validation that holds back single odd blocks and what the point does now and then for nothing',
      ),
    latching: z
      .boolean()
      .default(false)
      .describe('true: stays after the condition is gone, until somebody has seen it and resets it'),
    countsWhile: countsWhileSchema
      .optional()
      .describe('Operating state in which it counts; in any other it is suppressed by design'),
    priority: z.enum(PRIORITIES).default('medium').describe('How fast somebody has to act'),
    class: identifier().optional().describe('Class of alarms that it belongs to, such as safety or quality'),
    text: z.string().max(500).optional().describe('What it means, for the technician'),
    action: z.string().max(500).optional().describe('What to do'),
    enabled: z.boolean().default(true).describe('false takes the alarm out of the program altogether'),
  })
  .superRefine((alarm, context) => {
    const fault = (message: string, path: string[] = []) =>
      context.addIssue({ code: 'custom', message, path });
    const conditions = CONDITIONS.filter((condition) => alarm[condition] !== undefined);
    if (conditions.length !== 1) fault(`an alarm has one condition of: ${CONDITIONS.join(', ')}`);
    if (alarm.id === DEFAULT_ANOMALY_ALARM.id && alarm.anomaly === undefined)
      fault(`"${alarm.id}" is the name of the built-in alarm: only an alarm on anomaly: true may have it`, [
        'id',
      ]);
    const ofValue = ['above', 'below', 'outside', 'change'] as const;
    if (alarm.feature !== undefined && !ofValue.some((condition) => alarm[condition] !== undefined))
      fault('a feature is compared with above, below, outside or change', ['feature']);
    if (alarm.outside !== undefined && 2 * alarm.deadband >= alarm.outside[1] - alarm.outside[0])
      fault('the deadband is wider than the band: the alarm could never go', ['deadband']);
  });

export type AlarmConfig = z.infer<typeof alarmConfigSchema>;

/**
 * What watches a scored point that no `anomaly` alarm of the config covers: three seconds of an unusual signal, and
 * half a minute of a usual one before it is over.
 */
export const DEFAULT_ANOMALY_ALARM: AlarmConfig = {
  id: 'anomaly',
  point: '*',
  anomaly: true,
  deadband: 0.1,
  onDelay: 3_000,
  offDelay: 30_000,
  validated: true,
  latching: false,
  priority: 'medium',
  enabled: true,
};

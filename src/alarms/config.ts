import { z } from 'zod';
import { duration, identifier } from '../base/schema.js';

/** Priorities of ISA-18.2, most urgent last. */
export const PRIORITIES = ['low', 'medium', 'high', 'critical'] as const;

const POINT_PATTERN = /^[A-Za-z0-9*][A-Za-z0-9*_.-]{0,199}$/;

/** One alarm definition: a point (or many, by `*`), one condition, and what keeps it from chattering. */
export const alarmConfigSchema = z
  .strictObject({
    id: identifier().describe('Name of the alarm, unique in the gateway'),
    point: z
      .string()
      .regex(
        POINT_PATTERN,
        'name a point, such as pump-1.bearing-de.temperature; * stands for any run of characters',
      )
      .describe('The point; * stands for any run of characters'),
    above: z.number().optional().describe('Setpoint, in the unit of the point: the alarm comes above it'),
    below: z.number().optional().describe('Setpoint, in the unit of the point: the alarm comes below it'),
    anomaly: z
      .literal(true)
      .optional()
      .describe('The alarm comes when the point scores above the threshold of its model or baseline'),
    deadband: z
      .number()
      .min(0)
      .default(0)
      .describe(
        'The value has to come back by this much before the alarm goes (for anomaly: a share of the threshold)',
      ),
    onDelay: duration({ maxMs: 86_400_000 })
      .prefault('0s')
      .describe('The condition has to hold this long before the alarm comes'),
    offDelay: duration({ maxMs: 86_400_000 })
      .prefault('0s')
      .describe('The condition has to be gone this long before the alarm goes'),
    priority: z.enum(PRIORITIES).default('medium').describe('How fast somebody has to act'),
    text: z.string().max(500).optional().describe('What it means, for the technician'),
    action: z.string().max(500).optional().describe('What to do'),
    enabled: z.boolean().default(true).describe('false takes the alarm out of service'),
  })
  .superRefine((alarm, context) => {
    const conditions = [alarm.above, alarm.below, alarm.anomaly].filter(
      (condition) => condition !== undefined,
    );
    if (conditions.length !== 1) {
      context.addIssue({
        code: 'custom',
        message: 'an alarm has one condition: above, below or anomaly: true',
      });
    }
    if (alarm.id === DEFAULT_ANOMALY_ALARM.id && alarm.anomaly === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['id'],
        message: `"${alarm.id}" is the name of the built-in alarm: only an alarm on anomaly: true may have it`,
      });
    }
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
  priority: 'medium',
  enabled: true,
};

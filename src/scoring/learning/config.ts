import { z } from 'zod';
import { duration } from '../../base/schema.js';
import { modelScopeSchema } from '../selection.js';

const neededTime = () => duration({ minMs: 60_000, maxMs: 90 * 86_400_000 });

/** The `commissioning:` section of the config. */
export const commissioningConfigSchema = z
  .strictObject({
    learn: z
      .array(
        z.strictObject({
          for: modelScopeSchema.describe('The waveform points that are learned.'),
          healthy: neededTime().prefault('24h').describe('Healthy running time that is learned.'),
        }),
      )
      .max(200)
      .default([])
      .describe(
        'Points that are learned by themselves once they send, by the first entry that matches; others on command.',
      ),
    healthy: neededTime()
      .prefault('24h')
      .describe('Healthy running time that is learned where a person starts it and says no other.'),
    falseAlarm: duration({ minMs: 3_600_000, maxMs: 3650 * 86_400_000 })
      .prefault('30d')
      .describe('Mean time between two false alarms of a healthy machine that a learned model is set to.'),
    keepVersions: z
      .number()
      .int()
      .min(2)
      .max(1000)
      .default(5)
      .describe(
        'Learned versions of each model that are kept, the newest; the one in use, the one to go back to and those that wait for MLflow stay besides.',
      ),
    retrain: z
      .strictObject({
        every: duration({ minMs: 3_600_000, maxMs: 3650 * 86_400_000 })
          .optional()
          .describe('Learns anew after so long.'),
        drift: z
          .number()
          .min(0.05)
          .max(10)
          .optional()
          .describe('Learns anew where the median PSI of the inputs was above this for a day.'),
      })
      .prefault({})
      .describe(
        'When a learned point is learned anew. The new model takes over only where it is no worse than the one in use.',
      ),
  })
  .prefault({});

export type CommissioningConfig = z.infer<typeof commissioningConfigSchema>;

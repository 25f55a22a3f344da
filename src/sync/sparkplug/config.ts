import { z } from 'zod';
import { duration } from '../../base/schema.js';
import { pointPattern } from '../../signals/point-pattern.js';
import { externalBrokerSchema } from '../../sources/mqtt/config.js';
import { sparkplugId } from '../../sources/sparkplug/config.js';

export const sparkplugNodeConfigSchema = z
  .strictObject({
    broker: externalBrokerSchema
      .omit({ sessionExpiry: true, statusTopic: true })
      .describe('The broker of the plant; another one than a source listens to, or the same'),
    group: sparkplugId('a group id').default('{site}').describe('Group id; {site} is gateway.site'),
    node: sparkplugId('an edge node id')
      .default('{gateway}')
      .describe('Edge node id, unique in the group; {gateway} is gateway.id'),
    points: z
      .array(pointPattern())
      .min(1)
      .max(1000)
      .default(['*'])
      .describe('Points that are published; * stands for any part of a name'),
    interval: duration({ minMs: 100, maxMs: 3_600_000 })
      .prefault('1s')
      .describe('How often what changed is published; of a value that changes faster the newest'),
    primaryHost: sparkplugId('a host id')
      .optional()
      .describe('Host id whose STATE is waited for: while it is offline values are kept, not published'),
    keep: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(10_000)
      .describe(
        'Changes kept in memory while nobody listens, published as historical later; the oldest are dropped',
      ),
    maxMetrics: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(10_000)
      .describe('Metrics of this node with its devices; further ones are counted and left out'),
  })
  .describe('This gateway as a Sparkplug B edge node: its machines are devices, their points metrics');

export type SparkplugNodeConfig = z.infer<typeof sparkplugNodeConfigSchema>;

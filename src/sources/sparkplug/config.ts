import { z } from 'zod';
import { byteSize, duration, identifier } from '../../base/schema.js';
import { POINT_NAME } from '../../signals/point.js';
import { MAX_SAMPLE_RATE_HZ } from '../../signals/sample-rate.js';
import { intakeShape } from '../intake/config.js';
import { externalBrokerSchema } from '../mqtt/config.js';
import { fillTemplate, templateNames, topicFilterFault, topicPattern } from '../mqtt/topic-filter.js';
import { scalarShape } from '../scalar.js';

/** Names that every metric brings for the point template. */
const ALWAYS = ['group', 'node', 'device'];

/** A group, edge node, device or host id (Eclipse Sparkplug 3.0.0, 4.2). */
export const sparkplugId = (what: string) =>
  z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^+#/]+$/, `${what} has no "/", "+" or "#"`);

const metricSchema = z
  .strictObject({
    metric: z
      .string()
      .min(1)
      .max(1000)
      .refine(
        (text) => topicFilterFault(text) === undefined,
        'write a name, with {name}, + and # for levels of it',
      )
      .describe(
        'Name of the metric; {name} is a one-level wildcard that names what it matched, + and # do not',
      ),
    device: sparkplugId('a device id')
      .optional()
      .describe('Only of this device; default of every one, and of nodes'),
    point: z
      .string()
      .min(1)
      .max(200)
      .describe(
        'Point template: {group}, {node}, {device} (the node where there is none), wildcards of the metric',
      ),
    sampleRateHz: z
      .number()
      .positive()
      .max(MAX_SAMPLE_RATE_HZ)
      .optional()
      .describe(
        'Samples per second of an array metric, which then is a waveform; default its property sampleRateHz',
      ),
    ...scalarShape,
    unit: scalarShape.unit
      .optional()
      .describe('Unit after scale and offset; default the property engUnit of the metric, else 1'),
  })
  .superRefine(({ metric, point }, context) => {
    if (topicFilterFault(metric) !== undefined) return;
    const known = [...ALWAYS, ...topicPattern(metric).names];
    const unknown = templateNames(point).find((name) => !known.includes(name));
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['point'], message });
    if (unknown !== undefined)
      issue(`{${unknown}} is not known; known: ${known.map((name) => `{${name}}`).join(', ')}`);
    else if (!POINT_NAME.test(fillTemplate(point, Object.fromEntries(known.map((name) => [name, 'x'])))))
      issue('a point is named machine.position.quantity, such as {device}.motor.temperature');
  });

export const sparkplugConfigSchema = z.strictObject({
  id: identifier().describe('Name of this source, unique in the gateway'),
  type: z
    .literal('sparkplug')
    .describe('Sparkplug B edge nodes behind an MQTT broker; this gateway is a host application'),
  broker: externalBrokerSchema.omit({ sessionExpiry: true, statusTopic: true }).describe('The broker'),
  groups: z
    .array(sparkplugId('a group id').or(z.literal('+')))
    .min(1)
    .max(100)
    .default(['+'])
    .refine((groups) => new Set(groups).size === groups.length, 'a group stands twice')
    .describe('Group ids that are listened to; default all'),
  hostId: z
    .string()
    .max(200)
    .regex(/^[^+#/]*$/, 'a host id has no "/", "+" or "#"')
    .default('{gateway}')
    .describe(
      'Host id under which STATE is published, for nodes that wait for their primary host; empty for none',
    ),
  rebirth: z
    .boolean()
    .default(true)
    .describe(
      'Ask nodes to be born again (NCMD) after lost messages or unknown metrics; false where commands are forbidden',
    ),
  rebirthInterval: duration({ minMs: 100, maxMs: 3_600_000 })
    .prefault('10s')
    .describe('Least time between two such requests to one node'),
  metrics: z
    .array(metricSchema)
    .min(1)
    .max(1000)
    .describe('Which metrics become points; the first that matches holds'),
  maxNodes: z.number().int().min(1).max(10_000).default(1000).describe('Edge nodes that are followed'),
  maxMetrics: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(20_000)
    .describe('Metrics of one edge node with its devices; further ones are counted and refused'),
  maxPayload: byteSize({ minBytes: 64 })
    .prefault('1MiB')
    .describe('Largest payload; a larger one is counted and refused'),
  ...intakeShape,
});

export type SparkplugConfig = z.infer<typeof sparkplugConfigSchema>;
export type MetricRule = SparkplugConfig['metrics'][number];

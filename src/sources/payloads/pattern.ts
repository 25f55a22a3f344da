import { z } from 'zod';
import type { Reading } from '../../signals/reading.js';
import { scalarReading, scalarShape } from '../scalar.js';
import { channelName } from './channel-name.js';
import { NO_BLOCKS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { asBuffer, excerpt, invalidPayload, parseNumberText } from './text.js';

const LONGEST_TEXT_BYTES = 4_096;

const configSchema = z
  .strictObject({
    kind: z.literal('pattern').describe('The payload is text with numbers in known places'),
    pattern: z
      .string()
      .min(1)
      .max(1_000)
      .describe('Regular expression with a named group for each value: ^T=(?<temperature>[-+.0-9]+)$'),
    decimal: z.enum(['.', ',']).default('.').describe('Decimal sign'),
    values: z
      .array(
        z.strictObject({
          channel: channelName().describe('Name of the value; the point then holds {channel}'),
          group: z
            .string()
            .min(1)
            .max(64)
            .optional()
            .describe('Its group in the pattern; default the channel'),
          ...scalarShape,
        }),
      )
      .min(1)
      .max(64)
      .refine((values) => new Set(values.map(({ channel }) => channel)).size === values.length, {
        message: 'a channel stands twice',
      })
      .describe('The values in the text'),
  })
  .superRefine(({ pattern, values }, context) => {
    const issue = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    const groups = groupsOf(pattern);
    if (groups === undefined) return issue(['pattern'], 'is no regular expression');
    for (const [index, { channel, group }] of values.entries()) {
      if (!groups.includes(group ?? channel))
        issue(['values', index], `the pattern has no group (?<${group ?? channel}>…)`);
    }
  });

/** Names of the groups of a pattern; undefined where it is none. */
function groupsOf(pattern: string): string[] | undefined {
  try {
    // With an empty alternative it matches anything, and shows its groups.
    return Object.keys(new RegExp(`${pattern}|`, 'u').exec('')?.groups ?? {});
  } catch {
    return undefined;
  }
}

type PatternConfig = z.infer<typeof configSchema>;

/** Several numbers in one line of text, as scales, drives and weather stations send them. */
export const patternPayload = {
  kind: 'pattern' as const,
  configSchema,
  channels: (config: PatternConfig) => config.values.map(({ channel }) => channel),
  createDecoder(config: PatternConfig, pointOf: PointOf): PayloadDecoder {
    const pattern = new RegExp(config.pattern, 'u');
    const values = config.values.map((value) => ({
      point: pointOf(value.channel),
      group: value.group ?? value.channel,
      rules: value,
    }));
    return {
      decode(payload, arrival) {
        if (payload.length > LONGEST_TEXT_BYTES)
          throw invalidPayload(`${payload.length} bytes are more than the ${LONGEST_TEXT_BYTES} of a line`);
        const text = asBuffer(payload).toString('utf8');
        const groups = pattern.exec(text)?.groups;
        if (groups === undefined) throw invalidPayload(`${excerpt(text)} does not match the pattern`);
        const readings: Reading[] = [];
        for (const { point, group, rules } of values) {
          const found = groups[group];
          // An optional group that did not take part.
          if (found === undefined) continue;
          const raw = parseNumberText(config.decimal === ',' ? found.replace(',', '.') : found);
          if (raw === undefined) throw invalidPayload(`${excerpt(found)} is not a number`);
          readings.push(scalarReading(point, arrival.timeMs, raw, rules));
        }
        return { readings, blocks: NO_BLOCKS };
      },
    };
  },
} satisfies PayloadKind<PatternConfig>;

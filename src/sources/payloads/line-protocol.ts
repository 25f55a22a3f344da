import { z } from 'zod';
import type { SmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import { scalarReading, scalarShape } from '../scalar.js';
import { channelName } from './channel-name.js';
import { type FieldValue, type ProtocolLine, parseLineProtocol } from './line-protocol-text.js';
import { NO_BLOCKS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { asBuffer, excerpt, invalidPayload } from './text.js';
import { TIME_UNITS, timestampMs } from './timestamp.js';

/** Series (tag values) of one topic; a sender that puts a serial number into a tag must not fill the memory. */
const MAX_SERIES = 1_000;

const configSchema = z
  .strictObject({
    kind: z.literal('line-protocol').describe('The payload is InfluxDB line protocol, as Telegraf writes it'),
    precision: z
      .enum(TIME_UNITS)
      .exclude(['iso'])
      .default('ns')
      .describe('Unit of the timestamps; a line without one has the time of arrival'),
    tags: z
      .array(
        z
          .string()
          .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'a tag that goes into a point has letters, digits and "_"')
          .max(64),
      )
      .max(16)
      .default([])
      .describe('Tags that name the point: {machine} in the point is the value of the tag machine'),
    values: z
      .array(
        z.strictObject({
          channel: channelName().describe('Name of the value; the point then holds {channel}'),
          field: z.string().min(1).max(256).optional().describe('Its field; default the channel'),
          measurement: z.string().min(1).max(256).optional().describe('Only in lines of this measurement'),
          ...scalarShape,
        }),
      )
      .min(1)
      .max(256)
      .describe('The fields that are read; others are ignored'),
  })
  .superRefine(({ values, tags }, context) => {
    const issue = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (new Set(values.map(({ channel }) => channel)).size !== values.length)
      issue('values', 'a channel stands twice');
    if (tags.includes('channel')) issue('tags', 'a tag named channel cannot be told from {channel}');
  });

type LineProtocolConfig = z.infer<typeof configSchema>;

const rawNumber = (value: FieldValue): number | undefined =>
  typeof value === 'string' ? undefined : Number(value);

export const lineProtocolPayload = {
  kind: 'line-protocol' as const,
  configSchema,
  channels: (config: LineProtocolConfig) => config.values.map(({ channel }) => channel),
  names: (config: LineProtocolConfig) => config.tags,
  createDecoder(config: LineProtocolConfig, pointOf: PointOf): PayloadDecoder {
    const { precision, tags } = config;
    /** The points of each series by its tag values, and who has which point. */
    const series = new Map<string, readonly string[]>();
    const owners = new Map<string, string>();

    const pointsOf = (line: ProtocolLine): readonly string[] => {
      const key = tags.length === 0 ? '' : JSON.stringify(tags.map((tag) => line.tags.get(tag)));
      const known = series.get(key);
      if (known !== undefined) return known;
      const names = Object.fromEntries(tags.map((tag) => [tag, line.tags.get(tag) ?? '']));
      const missing = tags.find((tag) => names[tag] === '');
      if (missing !== undefined)
        throw invalidPayload(`a line without the tag ${missing}, which names the point`);
      if (series.size >= MAX_SERIES) throw invalidPayload(`more than ${MAX_SERIES} combinations of tags`);
      const points = config.values.map(({ channel }) => {
        const point = pointOf(channel, names);
        if (point === undefined) throw invalidPayload(`the tags ${excerpt(key)} make no name for a point`);
        if ((owners.get(point) ?? key) !== key)
          throw invalidPayload(
            `the point ${point} already belongs to the tags ${excerpt(owners.get(point)!)}`,
          );
        return point;
      });
      for (const point of points) owners.set(point, key);
      series.set(key, points);
      return points;
    };

    return {
      decode(payload, arrival) {
        const readings: Reading[] = [];
        let fault: SmEdgeError | undefined;
        let faults = 0;
        const onFault = (error: unknown) => {
          fault ??= error as SmEdgeError;
          faults++;
        };
        let deviceTime = true;
        const take = (line: ProtocolLine) => {
          const timeMs = line.timestamp === undefined ? undefined : timestampMs(line.timestamp, precision);
          if (line.timestamp !== undefined && timeMs === undefined)
            throw invalidPayload(`${line.timestamp} is no time in ${precision}`);
          deviceTime &&= timeMs !== undefined;
          let points: readonly string[] | undefined;
          for (const [index, rules] of config.values.entries()) {
            if (rules.measurement !== undefined && rules.measurement !== line.measurement) continue;
            const field = line.fields.get(rules.field ?? rules.channel);
            if (field === undefined) continue;
            const raw = rawNumber(field);
            if (raw === undefined) throw invalidPayload(`the field of ${rules.channel} holds text`);
            points ??= pointsOf(line);
            readings.push(scalarReading(points[index]!, timeMs ?? arrival.timeMs, raw, rules));
          }
        };
        for (const line of parseLineProtocol(asBuffer(payload).toString('utf8'), onFault)) {
          try {
            take(line);
          } catch (error) {
            onFault(error);
          }
        }
        if (fault === undefined) return { readings, blocks: NO_BLOCKS, deviceTime };
        if (readings.length === 0) throw fault;
        const partial = faults === 1 ? fault : invalidPayload(`${faults} lines, such as: ${fault.message}`);
        return { readings, blocks: NO_BLOCKS, deviceTime, partial };
      },
    };
  },
} satisfies PayloadKind<LineProtocolConfig>;

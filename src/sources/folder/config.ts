import { z } from 'zod';
import { byteSize, duration, identifier } from '../../base/schema.js';
import { POINT_NAME } from '../../signals/point.js';
import { timeParser } from '../../signals/time-format.js';
import { intakeShape } from '../intake/config.js';
import { channelName } from '../payloads/channel-name.js';
import { payloadChannels, payloadSchema } from '../payloads/index.js';
import { filePattern, namesOf } from './file-pattern.js';

const match = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !text.includes('/'), 'files in the folder itself are looked at, not in folders below it')
  .refine((text) => {
    try {
      filePattern(text);
      return true;
    } catch {
      return false;
    }
  }, 'each {name} may stand once')
  .describe('Names of the files: {machine} is a run of letters, digits and "-", {time} a time, * anything');

const pointTemplate = z
  .string()
  .min(1)
  .max(200)
  .describe('Name of the point; {machine} is what stood in the name of the file, {channel} a channel');

const wavSchema = z.strictObject({
  kind: z.literal('wav').describe('WAV: 16, 24, 32-bit PCM or float'),
  match,
  point: pointTemplate,
  channels: z
    .array(channelName())
    .min(1)
    .max(64)
    .optional()
    .describe('Names of the channels, in their order; for {channel}'),
  unit: z.string().min(1).max(32).describe('Unit of a sample'),
  fullScale: z.number().positive().default(1).describe('Value, in the unit, of a sample of 1.0'),
});

const tableSchema = z.strictObject({
  kind: z.literal('table').describe('CSV with a heading: one row a time, one column a point'),
  match,
  separator: z.string().length(1).default(',').describe('What stands between two columns'),
  time: z
    .strictObject({
      column: z.string().min(1).max(200).describe('Heading of the column with the time'),
      format: z
        .string()
        .max(64)
        .default('iso')
        .refine((format) => {
          try {
            timeParser(format);
            return true;
          } catch {
            return false;
          }
        }, 'write iso, s, ms, or a pattern such as yyyy-MM-dd HH:mm:ss')
        .describe('iso, s or ms (since 1970), or a pattern such as yyyy-MM-dd HH:mm:ss (UTC)'),
    })
    .describe('Where the time of a row stands'),
  points: z
    .array(
      z.strictObject({
        column: z.string().min(1).max(200).describe('Heading of the column'),
        point: pointTemplate,
        unit: z.string().min(1).max(32).describe('Unit of its values'),
      }),
    )
    .min(1)
    .max(1000)
    .describe('Which column is which point'),
});

const payloadFileSchema = z.strictObject({
  kind: z.literal('payload').describe('The file is one message, written as over MQTT'),
  match,
  point: pointTemplate,
  payload: payloadSchema,
});

const fileSchema = z
  .discriminatedUnion('kind', [wavSchema, tableSchema, payloadFileSchema])
  .superRefine((file, context) => {
    const known = namesOf(file.match);
    const channels = file.kind === 'payload' ? payloadChannels(file.payload) : undefined;
    if (file.kind === 'wav' || channels !== undefined) known.push('channel');
    const templates = file.kind === 'table' ? file.points.map(({ point }) => point) : [file.point];
    for (const [index, template] of templates.entries()) {
      const path = file.kind === 'table' ? ['points', index, 'point'] : ['point'];
      const unknown = namesOf(template).find((name) => !known.includes(name));
      if (unknown !== undefined)
        context.addIssue({ code: 'custom', path, message: `{${unknown}} is not in the pattern of the name` });
      else if (!POINT_NAME.test(template.replace(/\{[A-Za-z0-9]+\}/g, 'x')))
        context.addIssue({ code: 'custom', path, message: 'a point is named machine.position.quantity' });
    }
    if (file.kind === 'wav' && (file.channels?.length ?? 1) > 1 && !file.point.includes('{channel}'))
      context.addIssue({ code: 'custom', path: ['point'], message: 'put {channel} into the point' });
  });

export const folderConfigSchema = z.strictObject({
  id: identifier().describe('Name of this source, unique in the gateway'),
  type: z.literal('folder').describe('A folder into which files are put: WAV, CSV and others'),
  ...intakeShape,
  path: z.string().min(1).max(4096).describe('The folder; network shares are fine'),
  interval: duration({ minMs: 50, maxMs: 3_600_000 })
    .prefault('2s')
    .describe('From one look at the folder to the next'),
  settle: duration({ minMs: 0, maxMs: 3_600_000 })
    .prefault('2s')
    .describe('A file is whole when its size and time have stood still for so long'),
  after: z
    .enum(['keep', 'move', 'delete'])
    .default('move')
    .describe('What becomes of a file: remembered, moved to done/ (or failed/), or deleted once stored'),
  maxFile: byteSize({ minBytes: 1024 }).prefault('256MiB').describe('Largest file'),
  files: z.array(fileSchema).min(1).max(64).describe('What the files hold; the first match counts'),
});

export type FolderConfig = z.infer<typeof folderConfigSchema>;
export type FileConfig = FolderConfig['files'][number];

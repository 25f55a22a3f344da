import { z } from 'zod';
import { MAX_SAMPLE_RATE_HZ } from '../../signals/sample-rate.js';
import { scalarShape } from '../scalar.js';
import { channelName } from './channel-name.js';
import { jsonPath } from './json-path.js';
import { SAMPLE_ENCODINGS } from './sample-encoding.js';
import { timeUnit } from './timestamp.js';

const path = () =>
  z
    .string()
    .max(256)
    .refine(
      (text) => jsonPath(text) !== undefined,
      'write a path such as $.value, $.data[0].x or $.items[*].v',
    );

/** What is declared of a document (JSON, CBOR): where the values, the time and the rate stand. */
export const documentShape = {
  value: path().optional().describe('Where the value stands: a number, or an array of numbers'),
  values: z
    .array(
      z.strictObject({
        channel: channelName().describe('Name of the value; the point then holds {channel}'),
        path: path().describe('Where it stands'),
        ...scalarShape,
      }),
    )
    .min(1)
    .max(256)
    .refine((values) => new Set(values.map(({ channel }) => channel)).size === values.length, {
      message: 'a channel stands twice',
    })
    .optional()
    .describe('Several numbers of one document, each a point of its own; instead of value'),
  time: z
    .strictObject({ path: path().describe('Where the time stands'), unit: timeUnit() })
    .optional()
    .describe(
      'Time of the value (of the first one, where value is an array); without it the time of arrival',
    ),
  sampleRateHz: z
    .number()
    .positive()
    .max(MAX_SAMPLE_RATE_HZ)
    .optional()
    .describe('The array is a waveform with this many samples per second'),
  sampleRatePath: path()
    .optional()
    .describe(
      'Where the sample rate (Hz) stands, for waveforms that bring their own; instead of sampleRateHz',
    ),
  sequencePath: path()
    .optional()
    .describe('Where the running number of a waveform stands: a jump is a lost block'),
  encoding: z
    .enum(SAMPLE_ENCODINGS)
    .optional()
    .describe('The value is raw samples so written: a CBOR byte string, or base64 text in JSON'),
  unit: scalarShape.unit.optional(),
  scale: scalarShape.scale,
  offset: scalarShape.offset,
  range: scalarShape.range,
  sentinel: scalarShape.sentinel,
};

const documentSchema = z.strictObject(documentShape);

export type DocumentConfig = z.infer<typeof documentSchema>;

/** The rules between the keys of a document. */
export function checkDocument(config: DocumentConfig, context: z.core.$RefinementCtx): void {
  const issue = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  const { value, values } = config;
  if (value === undefined && values === undefined) issue('value', 'is missing: declare value or values');
  const waveform = config.sampleRateHz !== undefined || config.sampleRatePath !== undefined;
  if (config.sampleRateHz !== undefined && config.sampleRatePath !== undefined)
    issue('sampleRatePath', 'stands beside sampleRateHz: declare one of the two');
  if (values === undefined || value !== undefined) {
    if (values !== undefined) issue('values', 'stands beside value: declare one of the two');
    if (config.unit === undefined) issue('unit', 'is missing');
    for (const key of ['encoding', 'sequencePath'] as const)
      if (config[key] !== undefined && !waveform)
        issue(key, 'is for waveforms: declare sampleRateHz or sampleRatePath');
    return;
  }
  const { sampleRateHz, sampleRatePath, sequencePath, encoding, unit, range, sentinel } = config;
  const single = { sampleRateHz, sampleRatePath, sequencePath, encoding, unit, range, sentinel };
  for (const [key, found] of Object.entries(single))
    if (found !== undefined) issue(key, 'belongs to value; each of values has its own');
}

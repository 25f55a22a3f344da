import { z } from 'zod';
import { duration, identifier } from '../../base/schema.js';
import { POINT_NAME } from '../../signals/point.js';
import { intakeShape } from '../intake/config.js';
import { channelName } from '../payloads/channel-name.js';

/** Sample formats by their ALSA names. */
export const ALSA_FORMATS = ['S16_LE', 'S24_3LE', 'S32_LE', 'FLOAT_LE'] as const;

export const audioConfigSchema = z
  .strictObject({
    id: identifier().describe('Name of this source, unique in the gateway'),
    type: z.literal('audio').describe('A sound card or USB microphone, through `arecord` of ALSA'),
    ...intakeShape,
    device: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[^-]/, 'a device is no option')
      .describe('ALSA device, such as plughw:CARD=USB,DEV=0: `arecord -L` lists them'),
    sampleRateHz: z.number().int().min(1_000).max(768_000).default(48_000).describe('Sample rate'),
    channels: z
      .array(channelName())
      .min(1)
      .max(32)
      .default(['mono'])
      .describe('Names of the channels, in their order; for {channel} in the point'),
    format: z.enum(ALSA_FORMATS).default('S16_LE').describe('Sample format of the device'),
    point: z.string().min(1).max(200).describe('Name of the measuring point; {channel} is a channel'),
    unit: z.string().min(1).max(32).default('FS').describe('Unit of a sample: FS, or Pa once calibrated'),
    fullScale: z
      .number()
      .positive()
      .default(1)
      .describe('Value, in the unit, of a full-scale sample: for a calibrated microphone its peak in Pa'),
    block: duration({ minMs: 10, maxMs: 10_000 }).prefault('100ms').describe('Length of a block'),
    silence: duration({ minMs: 500, maxMs: 600_000 })
      .prefault('5s')
      .describe('A recorder that gives nothing for so long is ended and started again'),
    program: z
      .string()
      .min(1)
      .max(4096)
      .default('arecord')
      .describe('The recorder, where it is not on the PATH; called with the arguments of arecord'),
  })
  .superRefine(({ point, channels }, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['point'], message });
    if (channels.length > 1 && !point.includes('{channel}')) issue('put {channel} into the point');
    else if (!POINT_NAME.test(point.replaceAll('{channel}', 'x')))
      issue('a point is named machine.position.quantity, such as fan-1.inlet.sound-pressure');
  });

export type AudioConfig = z.infer<typeof audioConfigSchema>;

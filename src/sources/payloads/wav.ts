import { z } from 'zod';
import { toSmEdgeError } from '../../base/errors.js';
import { decodeWav, type WavAudio } from '../../signals/wav.js';
import { BlockTiming, type ChannelSamples } from './block-timing.js';
import { channelName } from './channel-name.js';
import { NO_BLOCKS, NO_READINGS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { invalidPayload } from './text.js';

const configSchema = z.strictObject({
  kind: z.literal('wav').describe('The payload is a whole WAV file: PCM of 16, 24 or 32 bits, or float'),
  unit: z.string().min(1).max(32).describe('Unit of a sample after scaling, such as Pa, g'),
  fullScale: z.number().positive().default(1).describe('Value at digital full scale, in unit'),
  channels: z
    .array(channelName())
    .min(1)
    .max(64)
    .refine((names) => new Set(names).size === names.length, 'a channel stands twice')
    .optional()
    .describe('Names of the channels, in order; the point then holds {channel}'),
});

type WavConfig = z.infer<typeof configSchema>;

function read(payload: Uint8Array): WavAudio {
  try {
    return decodeWav(payload, 'the payload');
  } catch (thrown) {
    const { message } = toSmEdgeError(thrown);
    throw invalidPayload(
      message,
      'send WAV with 16, 24 or 32-bit PCM or float samples, whole in one message',
    );
  }
}

export const wavPayload = {
  kind: 'wav' as const,
  configSchema,
  channels: (config: WavConfig) => config.channels,
  createDecoder(config: WavConfig, pointOf: PointOf): PayloadDecoder {
    const points = (config.channels ?? ['']).map((channel) => pointOf(channel));
    const { fullScale } = config;
    const timing = new BlockTiming();
    return {
      decode(payload, arrival) {
        const { samples, channels, sampleRateHz } = read(payload);
        if (channels !== points.length)
          throw invalidPayload(
            `${channels} channels where ${points.length} are declared`,
            'name each in payload.channels, and put {channel} into the point',
          );
        const count = samples.length / channels;
        if (count === 0) return { readings: NO_READINGS, blocks: NO_BLOCKS };
        const runs = points.map((point, channel): ChannelSamples => {
          const run = channels === 1 ? samples : new Float32Array(count);
          let residue = 0;
          for (let i = 0, at = channel; i < count; i++, at += channels) {
            const value = samples[at]! * fullScale;
            run[i] = value;
            residue += value - value;
          }
          return { point, samples: run, finite: residue === 0 };
        });
        return timing.stamp(runs, { arrival, unit: config.unit, sampleRateHz });
      },
    };
  },
} satisfies PayloadKind<WavConfig>;

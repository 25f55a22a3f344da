import type { SampleBlock } from '../../../signals/sample-block.js';
import type { Arrival } from './payload.js';

/** The samples of one channel, decoded. */
export interface ChannelSamples {
  readonly point: string;
  readonly samples: Float32Array;
  /** False where a sample is NaN or infinite. */
  readonly finite: boolean;
}

export interface BlockFacts {
  readonly arrival: Arrival;
  readonly unit: string;
  readonly sampleRateHz: number;
  /** The device's own time of the first sample, milliseconds since the Unix epoch. */
  readonly startedAtMs?: number;
  readonly sequence?: number;
}

/** Gives the blocks of one topic their start times. */
export class BlockTiming {
  /** The channels of one payload: same length, same start. */
  stamp(channels: readonly ChannelSamples[], facts: BlockFacts): SampleBlock[] {
    const { arrival, unit, sampleRateHz, startedAtMs, sequence } = facts;
    const count = channels[0]?.samples.length ?? 0;
    const startTimeMs = startedAtMs ?? arrival.timeMs - (count * 1000) / sampleRateHz;
    return channels.map(({ point, samples, finite }) => ({
      point,
      startTimeMs,
      sampleRateHz,
      unit,
      samples,
      ...(sequence === undefined ? {} : { sequence }),
      ...(finite ? { quality: 'good' } : { quality: 'bad', reason: 'not-a-number' }),
    }));
  }
}

import { BlockClock } from '../../signals/block-clock.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import { type Arrival, type Decoded, NO_READINGS } from './payload.js';

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
  readonly startedAtMs?: number | undefined;
  readonly sequence?: number | undefined;
  readonly sequenceModulus?: number | undefined;
}

/** Makes blocks of the samples of one topic and gives them their start times. */
export class BlockTiming {
  readonly #clock = new BlockClock();

  /** The channels of one payload: same length, same start. */
  stamp(channels: readonly ChannelSamples[], facts: BlockFacts): Decoded {
    const { arrival, unit, sampleRateHz, startedAtMs, sequence, sequenceModulus } = facts;
    const { startTimeMs, continuity, lostBlocks } = this.#clock.stamp({
      count: channels[0]?.samples.length ?? 0,
      sampleRateHz,
      arrivalMs: arrival.timeMs,
      repeated: arrival.repeated,
      ...(startedAtMs === undefined ? {} : { deviceTimeMs: startedAtMs }),
      ...(sequence === undefined ? {} : { sequence }),
      ...(sequenceModulus === undefined ? {} : { sequenceModulus }),
    });
    const blocks: SampleBlock[] = channels.map(({ point, samples, finite }) => ({
      point,
      startTimeMs,
      sampleRateHz,
      unit,
      samples,
      ...(sequence === undefined ? {} : { sequence }),
      ...(finite ? { quality: 'good' } : { quality: 'bad', reason: 'not-a-number' }),
    }));
    const gaps = continuity === 'gap' ? 1 : 0;
    return { readings: NO_READINGS, blocks, deviceTime: startedAtMs !== undefined, gaps, lostBlocks };
  }
}

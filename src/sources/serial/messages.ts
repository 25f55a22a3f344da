import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import { createDecoder } from '../payloads/index.js';
import type { PayloadDecoder } from '../payloads/payload.js';
import type { MessageConfig } from './config.js';

/** What one frame held. */
export interface Contents {
  readonly readings: readonly Reading[];
  readonly blocks: readonly SampleBlock[];
  /** Interruptions of a stream before this frame, and the frames that its counter shows to be missing. */
  readonly gaps: number;
  readonly lostFrames: number;
}

interface Message {
  readonly match: { readonly offset: number; readonly bytes: Buffer } | undefined;
  readonly decoder: PayloadDecoder;
}

/** From a frame to readings and blocks, by the declared messages. */
export class Messages {
  readonly #messages: readonly Message[];

  constructor(configs: readonly MessageConfig[]) {
    this.#messages = configs.map(({ match, point, payload }) => ({
      match: match === undefined ? undefined : { offset: match.offset, bytes: Buffer.from(match.hex, 'hex') },
      decoder: createDecoder(payload, (channel: string) => point.replaceAll('{channel}', channel)),
    }));
  }

  /** A fault where no message can use the frame: a line may hold several kinds, and each message takes its own. */
  decode(frame: Buffer, timeMs: number): Contents | SmEdgeError | 'unmatched' {
    const readings: Reading[] = [];
    const blocks: SampleBlock[] = [];
    let gaps = 0;
    let lostFrames = 0;
    let used = false;
    let fault: SmEdgeError | undefined;
    for (const { match, decoder } of this.#messages) {
      if (match !== undefined && !matches(frame, match)) continue;
      try {
        const decoded = decoder.decode(frame, { timeMs, repeated: false });
        readings.push(...decoded.readings);
        blocks.push(...decoded.blocks);
        gaps += decoded.gaps ?? 0;
        lostFrames += decoded.lostBlocks ?? 0;
        used = true;
      } catch (thrown) {
        fault ??= toSmEdgeError(thrown, 'PAYLOAD_INVALID');
      }
    }
    if (used) return { readings, blocks, gaps, lostFrames };
    return fault ?? 'unmatched';
  }
}

const matches = (frame: Buffer, { offset, bytes }: { offset: number; bytes: Buffer }): boolean =>
  frame.subarray(offset, offset + bytes.length).equals(bytes);

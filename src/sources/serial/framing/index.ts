import { z } from 'zod';
import { cobsFraming } from './cobs.js';
import { fixedFraming } from './fixed.js';
import type { Deframer, FramingKind } from './framing.js';
import { lineFraming } from './line.js';
import { slipFraming } from './slip.js';
import { syncFraming } from './sync.js';
import { wavFraming } from './wav.js';

/** Every framing: one file, one line here and one in the schema. */
const FRAMING_KINDS = [lineFraming, syncFraming, cobsFraming, slipFraming, fixedFraming, wavFraming] as const;

export const framingSchema = z
  .discriminatedUnion('kind', [
    lineFraming.configSchema,
    syncFraming.configSchema,
    cobsFraming.configSchema,
    slipFraming.configSchema,
    fixedFraming.configSchema,
    wavFraming.configSchema,
  ])
  .describe('How messages are told apart on the line');

export type FramingConfig = z.infer<typeof framingSchema>;

export function createDeframer(config: FramingConfig): Deframer {
  const kind = FRAMING_KINDS.find((one) => one.kind === config.kind) as unknown as FramingKind<FramingConfig>;
  return kind.createDeframer(config);
}

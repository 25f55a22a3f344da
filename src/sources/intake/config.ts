import { z } from 'zod';
import { duration } from '../../base/schema.js';
import { pointPattern } from '../../signals/point-pattern.js';

export const OVERLOAD_POLICIES = ['discard-oldest', 'discard-newest', 'reduce-fidelity'] as const;
export type OverloadPolicy = (typeof OVERLOAD_POLICIES)[number];

const points = () =>
  z
    .array(pointPattern())
    .min(1)
    .max(256)
    .default(['*'])
    .describe('Which points; * stands for any part of a name');

const qualityRule = z.strictObject({
  points: points(),
  fullScale: z
    .number()
    .positive()
    .optional()
    .describe(
      'Level in the unit of the point at which the sensor clips; without it flat tops are looked for',
    ),
  dcOffset: z
    .number()
    .positive()
    .optional()
    .describe('Largest mean value of a waveform in its unit; without it only a gross offset is reported'),
  dropout: duration({ minMs: 0.1, maxMs: 60_000 })
    .prefault('20ms')
    .describe('A waveform that stands still for so long has lost its sensor or its samples'),
  constant: duration({ minMs: 100, maxMs: 365 * 86_400_000 })
    .optional()
    .describe('A reading that does not change for so long is stuck; without it a reading may stand still'),
  silence: duration({ minMs: 100, maxMs: 365 * 86_400_000 })
    .optional()
    .describe(
      'A point that is not heard for so long is reported, and its last value declared bad; default never',
    ),
  sampleRateTolerance: z
    .number()
    .min(0.1)
    .max(100)
    .default(5)
    .describe('Difference between declared and measured sample rate that is reported, percent'),
  ignore: z
    .array(z.enum(['clipping', 'constant', 'dropout', 'dc-offset', 'sample-rate']))
    .max(5)
    .default([])
    .describe('Checks that are left out'),
});

const overloadRule = z.strictObject({
  points: points(),
  policy: z
    .enum(OVERLOAD_POLICIES)
    .describe(
      'What gives way when the store cannot keep up: the oldest that waits, the newest that comes, or detail (every ' +
        'second reading goes, raw waveforms are analysed and not stored)',
    ),
});

const timestamps = z
  .strictObject({
    from: z
      .enum(['device', 'arrival', 'both'])
      .default('device')
      .describe(
        'Whose time counts: that of the device where it tells one, that of arrival, or that of the device as long as ' +
          'the two agree',
      ),
    maxSkew: duration({ minMs: 1, maxMs: 365 * 86_400_000 })
      .prefault('1min')
      .describe('For `both`: from this difference on the time of arrival counts, and the value is uncertain'),
  })
  .prefault({})
  .describe('Whose time the values carry');

/** Keys that every source has: how its signals are judged, and what gives way under load. */
export const intakeShape = {
  timestamps,
  quality: z
    .array(qualityRule)
    .max(256)
    .default([])
    .describe('How the signals are judged; the first rule that names a point holds, then the defaults'),
  overload: z
    .strictObject({
      policy: z
        .enum(OVERLOAD_POLICIES)
        .default('reduce-fidelity')
        .describe('What gives way when the store cannot keep up: the oldest, the newest, or detail'),
      maxReadings: z
        .number()
        .int()
        .min(100)
        .max(1_000_000)
        .default(50_000)
        .describe('Readings of this source that may wait for the store in memory'),
      points: z.array(overloadRule).max(256).default([]).describe('Other policies for some points'),
    })
    .prefault({})
    .describe('What gives way when more comes in than the store takes'),
};

const intakeSchema = z.object(intakeShape);
/** The part of a source's config that the intake reads. */
export type IntakeConfig = z.infer<typeof intakeSchema>;
export type QualityRule = z.infer<typeof qualityRule>;

export const DEFAULT_RULE: QualityRule = qualityRule.parse({});

import { z } from 'zod';
import { featureName, finite, histogram } from './manifest-parts.js';
import { MOST_STATES, stateName } from './states/config.js';
import { RESERVED_NAMES } from './states/state.js';

/** What a manifest says of operating states: `threshold.states` and `training.states`. */

/** A state of one measure, or of two: `full`, `full/heavy`. */
const steadyName = () =>
  z.string().superRefine((name, context) => {
    if (RESERVED_NAMES.includes(name))
      context.addIssue({
        code: 'custom',
        message: `nothing is judged by a model of its own in ${name}: name steady states, as the machine's "states" does`,
      });
    else if (
      name.split('/').length > 2 ||
      name.split('/').some((part) => !stateName().safeParse(part).success)
    )
      context.addIssue({
        code: 'custom',
        message: `"${name}" is no name of an operating state: a bin such as full-load, or two such as full/heavy`,
      });
  });

const perState = <T extends z.ZodType>(schema: T) =>
  z
    .record(steadyName(), schema)
    .refine((states) => Object.keys(states).length <= MOST_STATES, `more than ${MOST_STATES} states`);

export const stateThresholdsSchema = () =>
  perState(
    z.strictObject({
      value: finite().describe('In the unit of the output.'),
      samples: z.number().int().nonnegative().optional().describe('Healthy rows it was set on.'),
    }),
  ).describe('Thresholds of operating states, by name; in others `value` counts.');

export const learnedStatesSchema = () =>
  perState(
    z.strictObject({
      samples: z.number().int().nonnegative().describe('Rows of this state used for training.'),
      histograms: z
        .record(featureName(), histogram())
        .default({})
        .describe('Distribution of each input in this state: drift is then no change of duty.'),
    }),
  ).describe(
    'Operating states that it was trained in, where they are known. In a steady state that is not among them the model says nothing.',
  );

import { z } from 'zod';
import { pointName } from './point.js';

/** Schema of `manifest.json`, `recording-set/1`. Keys that it does not know are kept: owners add their own. */

/** The name of an operating state; that of a state with two measures has a slash: full/heavy. */
const recordedState = () =>
  z.string().regex(STATE, 'use letters, digits, ".", "-" and "_" (at most 64), and "/" between two of them');
const STATE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$/;

/** Whether a text is a name that an operating state may have. */
export const isStateName = (text: string): boolean => STATE.test(text);

export const recordedBearingSchema = z.looseObject({
  model: z.string().optional().describe('Designation of the bearing'),
  balls: z.number().int().min(3).max(200).describe('Rolling elements in one row'),
  ballDiameterMm: z.number().positive().describe('Diameter of a rolling element, mm'),
  pitchDiameterMm: z.number().positive().describe('Pitch diameter, mm'),
  contactAngleDeg: z.number().min(0).max(90).default(0).describe('Contact angle, degrees'),
  multipliers: z
    .looseObject({
      BPFO: z.number().positive().optional(),
      BPFI: z.number().positive().optional(),
      BSF: z.number().positive().optional(),
      FTF: z.number().positive().optional(),
    })
    .optional()
    .describe('Fault frequencies over shaft frequency'),
});

export const recordingSchema = z.looseObject({
  file: z.string().min(1).describe('WAV file, relative to the manifest'),
  point: pointName().describe('Measuring point'),
  quantity: z
    .string()
    .optional()
    .describe('acceleration, velocity, sound-pressure; the last part of the point where missing'),
  unit: z.string().optional().describe('Unit of the samples; FS (full scale) where missing'),
  fullScale: z.number().positive().optional().describe('Value, in unit, of a sample of 1.0; 1 where missing'),
  sampleRateHz: z.number().positive().optional().describe("Sample rate, Hz; the WAV header's where missing"),
  startedAt: z.string().optional().describe('Time of the first sample, ISO 8601'),
  speedRpm: z.number().positive().optional().describe('Speed of the shaft, revolutions per minute'),
  bearing: z.string().optional().describe('Key in bearings'),
  label: z.string().optional().describe('What is known of the machine: normal, outer, inner …'),
  state: recordedState()
    .optional()
    .describe(
      'Operating state of the machine meanwhile: stopped, run-up, run-down, or the name of a steady one',
    ),
  split: z.enum(['train', 'test']).optional().describe('Share of an evaluation'),
  snapshots: z
    .strictObject({
      samples: z.number().int().positive().describe('Samples of one snapshot'),
      offsetsS: z.array(z.number()).min(1).describe('Start of each, seconds after startedAt'),
    })
    .optional()
    .describe('Cuts the file into blocks taken at different times'),
});

export const tableSchema = z.looseObject({
  file: z.string().min(1).describe('CSV file, relative to the manifest'),
  separator: z.string().length(1).default(','),
  decimal: z.enum(['.', ',']).optional().describe('Decimal mark of its numbers; a point where missing'),
  time: z
    .strictObject({ column: z.string(), format: z.string().optional() })
    .optional()
    .describe('Column of the time; rows are a second apart where missing'),
  points: z
    .array(
      z.looseObject({
        column: z.string().describe('Name in the header'),
        point: pointName(),
        quantity: z.string().optional(),
        unit: z.string().optional(),
        unitColumn: z
          .string()
          .optional()
          .describe('Column of the unit, where it is not the same in all rows'),
        qualityColumn: z
          .string()
          .optional()
          .describe('Column with good, uncertain or bad; good where missing or empty'),
      }),
    )
    .min(1),
  state: z
    .strictObject({ column: z.string() })
    .optional()
    .describe('Column that names the operating state of the machine in each row; unknown where it is empty'),
  label: z
    .union([
      z.strictObject({ column: z.string(), anomalous: z.union([z.string(), z.number()]).transform(String) }),
      z.strictObject({ windows: z.array(z.tuple([z.string(), z.string()])) }),
    ])
    .optional(),
});

export const recordingSetSchema = z.looseObject({
  format: z.literal('recording-set/1'),
  name: z.string(),
  title: z.string().optional(),
  terms: z.string().optional(),
  notes: z.union([z.string(), z.array(z.string())]).optional(),
  bearings: z.record(z.string(), recordedBearingSchema).optional(),
  recordings: z.array(recordingSchema).default([]),
  tables: z.array(tableSchema).default([]),
  states: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('By machine how its operating states are known, as `states` of a machine of the config'),
});

export type RecordedBearing = z.infer<typeof recordedBearingSchema>;
export type RecordingEntry = z.infer<typeof recordingSchema>;
export type TableEntry = z.infer<typeof tableSchema>;
export type RecordingSetManifest = z.infer<typeof recordingSetSchema>;

import { z } from 'zod';
import { identifier } from '../base/schema.js';
import { bearingGeometrySchema, findBearing } from '../features/bearings.js';

const designation = z
  .string()
  .min(1)
  .max(60)
  .refine((name) => findBearing(name) !== undefined, {
    error: (issue) =>
      `the bearing "${String(issue.input)}" is not in config/bearings.json; give its geometry instead: { balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg }`,
  });

/** What is engraved on the machine: enough for physics to diagnose it without training. */
export const nameplateSchema = z.strictObject({
  speedRpm: z.number().positive().max(200_000).optional().describe('Rated shaft speed, rpm'),
  powerKw: z.number().positive().max(1_000_000).optional().describe('Rated power, kW'),
  mounting: z.enum(['rigid', 'flexible']).optional().describe('Foundation, for the zones of ISO 20816-3'),
  bearings: z
    .record(z.string().min(1).max(64), z.union([designation, bearingGeometrySchema]))
    .default({})
    .describe('Bearing by measuring position: a designation such as "6205", or its geometry'),
  gears: z
    .record(z.string().min(1).max(64), z.number().int().min(5).max(1000))
    .default({})
    .describe('Teeth of the gear on the shaft, by measuring position'),
});

const tag = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'use letters, digits, ".", "-" and "_" (at most 64)');

export const sensorSchema = z.strictObject({
  type: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Kind of sensor: piezo, mems, velocity, proximity, microphone, pt100 …'),
  tags: z.array(tag()).max(32).default([]).describe('Words by which rules find its points'),
});

export const machineSchema = z.strictObject({
  id: identifier().describe('First part of the names of its measuring points'),
  class: z
    .string()
    .min(1)
    .max(64)
    .default('machine')
    .describe('Kind of machine: pump, fan, motor, gearbox …'),
  tags: z
    .array(tag())
    .max(32)
    .default([])
    .describe('Words by which rules find the machine, such as critical or line-2'),
  nameplate: nameplateSchema.prefault({}).describe('What is engraved on the machine'),
  sensors: z
    .record(z.string().min(1).max(130), sensorSchema)
    .default({})
    .describe(
      'What measures where: by measuring position, or by position and quantity where it has several sensors',
    ),
});

export type Machine = z.infer<typeof machineSchema>;

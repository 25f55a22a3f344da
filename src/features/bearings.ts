import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import type { BearingGeometry } from './spec.js';

/** Bounds that any real rolling bearing keeps. */
export const bearingGeometrySchema = z.strictObject({
  designation: z.string().max(100).optional().describe("The bearing's designation, such as 6205"),
  balls: z.number().int().min(3).max(200).describe('Rolling elements in one row'),
  ballDiameterMm: z.number().positive().max(1000).describe('Diameter of a rolling element, mm'),
  pitchDiameterMm: z.number().positive().max(10_000).describe('Pitch diameter, mm'),
  contactAngleDeg: z.number().min(0).max(60).default(0).describe('Contact angle, degrees'),
});

const tableSchema = z.object({
  /** Where a row is from; `typical` is no maker's figure. */
  sources: z.record(z.string(), z.string()),
  bearings: z.array(
    z.tuple([
      z.string(),
      z.number().int().min(3),
      z.number().positive(),
      z.number().positive(),
      z.number(),
      z.string(),
    ]),
  ),
});

let table: ReadonlyMap<string, BearingGeometry> | undefined;

function bearingTable(): ReadonlyMap<string, BearingGeometry> {
  if (table === undefined) {
    const text = readFileSync(new URL('../../config/bearings.json', import.meta.url), 'utf8');
    const rows = tableSchema.parse(JSON.parse(text)).bearings;
    table = new Map(
      rows.map(([designation, balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg]) => [
        designation.toUpperCase(),
        { designation, balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg },
      ]),
    );
  }
  return table;
}

/**
 * Geometry of a common bearing by its designation: a maker's name before and seals, clearance and cage after it
 * are passed over (`SKF 6205-2RS1/C3` is a 6205). Undefined where config/bearings.json has none.
 */
export function findBearing(designation: string): BearingGeometry | undefined {
  const known = bearingTable();
  const text = designation.trim().toUpperCase();
  const whole = known.get(text);
  if (whole !== undefined) return whole;
  for (const word of text.split(/[\s,;()]+/)) {
    // The longest head of the word that is in the table, ending where digits end: 6205-2RS, 6205ZZ, NU205E.
    const heads = [word, word.split(/[-/]/)[0]!, /^[A-Z]*-?\d+/.exec(word)?.[0] ?? ''];
    for (const head of heads) {
      const found = known.get(head);
      if (found !== undefined) return { ...found, designation: text.replaceAll(/\s+/g, ' ') };
    }
  }
  return undefined;
}

/** `6205`, or `balls,ballMm,pitchMm,angleDeg` such as `9,7.94,39.04,0`. Throws `BEARING_UNKNOWN` or `BEARING_GEOMETRY`. */
export function parseBearing(text: string): BearingGeometry {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length === 1) {
    const found = findBearing(text);
    if (found !== undefined) return found;
    throw new SmEdgeError('BEARING_UNKNOWN', `no geometry known for bearing "${text}"`, {
      hint: 'Give the geometry instead: balls,ballMm,pitchMm,angleDeg, such as 9,7.94,39.04,0',
    });
  }
  const [balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg] = parts.map((part) =>
    part === '' ? Number.NaN : Number(part),
  );
  const parsed = bearingGeometrySchema.safeParse({ balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg });
  if (parts.length > 4 || !parsed.success || parsed.data.ballDiameterMm >= parsed.data.pitchDiameterMm) {
    throw new SmEdgeError('BEARING_GEOMETRY', `"${text}" is no bearing geometry`, {
      hint: 'Write balls,ballMm,pitchMm,angleDeg, such as 9,7.94,39.04,0; the balls are smaller than the pitch circle',
    });
  }
  return parsed.data;
}

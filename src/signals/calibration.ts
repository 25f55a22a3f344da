import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';

/**
 * From the counts of a converter to volts at the sensor to the physical unit, and back.
 *
 * volts = (counts - zeroCounts) · adcRangeV / adcCounts / gain
 * value = (volts - biasV) / sensitivity
 */
export interface Calibration {
  /** Counts at digital full scale: 2^15 for 16 bits signed, 2^16 for unsigned, 1 for samples that come as -1 to 1. */
  readonly adcCounts: number;
  /** Volts at digital full scale: 5 for signed samples of ±5 V, 3.3 for unsigned ones of 0 to 3.3 V. */
  readonly adcRangeV: number;
  /** Amplification between sensor and converter; 1 for none. */
  readonly gain: number;
  /** Millivolts a sensor gives for one unit: 100 mV/g is 100. */
  readonly sensitivityMvPerUnit: number;
  /** Counts that stand for no voltage: 2048 where 12 unsigned bits span both signs. */
  readonly zeroCounts: number;
  /** Volts of the sensor at no signal: 2.5 of a MEMS sensor, 0 behind a coupling capacitor. */
  readonly biasV: number;
  /** Physical unit of a calibrated sample: `g`, `m/s2`, `mm/s`, `Pa`. */
  readonly unit: string;
}

/** Config of a calibration; the unit is the payload's own. */
export const calibrationSchema = z
  .strictObject({
    adcRange: z
      .number()
      .positive()
      .max(1e6)
      .describe(
        'Volts at digital full scale: 5 for signed samples of -5 to 5 V, 3.3 for unsigned ones of 0 to 3.3 V',
      ),
    adcBits: z
      .number()
      .int()
      .min(8)
      .max(32)
      .optional()
      .describe('Bits of the converter where it does not fill the encoding: 12 of 16, for example'),
    gain: z.number().positive().max(1e6).default(1).describe('Amplification between sensor and converter'),
    sensitivity: z
      .number()
      .min(-1e9)
      .max(1e9)
      .refine((value) => value !== 0, 'a sensor of sensitivity 0 measures nothing')
      .describe(
        'Sensitivity of the sensor, mV per unit: 100 for 100 mV/g. Negative where it is mounted inverted',
      ),
    zeroCounts: z
      .number()
      .default(0)
      .describe('Counts at no voltage: 2048 where 12 unsigned bits stand for -5 to 5 V (adcRange 10)'),
    biasV: z.number().min(-1e3).max(1e3).default(0).describe('Volts of the sensor at no signal'),
  })
  .describe('From the counts of the converter to volts to the unit; replaces scale, offset and fullScale');

export type CalibrationConfig = z.infer<typeof calibrationSchema>;

/**
 * @param encoding how the samples come: bits of a whole number, signed or not; undefined for floating point, whose
 * full scale is 1
 */
export function calibrationOf(
  config: CalibrationConfig,
  encoding: { readonly bits: number; readonly signed: boolean } | undefined,
  unit: string,
): Calibration {
  const bits = config.adcBits ?? encoding?.bits;
  return {
    adcCounts: bits === undefined ? 1 : 2 ** (encoding?.signed === false ? bits : bits - 1),
    adcRangeV: config.adcRange,
    gain: config.gain,
    sensitivityMvPerUnit: config.sensitivity,
    zeroCounts: config.zeroCounts,
    biasV: config.biasV,
    unit,
  };
}

/** Volts at the sensor. */
export function countsToVolts(counts: number, c: Calibration): number {
  return ((counts - c.zeroCounts) * c.adcRangeV) / c.adcCounts / c.gain;
}

export function voltsToCounts(volts: number, c: Calibration): number {
  return (volts * c.gain * c.adcCounts) / c.adcRangeV + c.zeroCounts;
}

/** The value in `unit`. */
export function voltsToUnit(volts: number, c: Calibration): number {
  return ((volts - c.biasV) * 1000) / c.sensitivityMvPerUnit;
}

export function unitToVolts(value: number, c: Calibration): number {
  return (value * c.sensitivityMvPerUnit) / 1000 + c.biasV;
}

export const countsToUnit = (counts: number, c: Calibration): number =>
  voltsToUnit(countsToVolts(counts, c), c);

export const unitToCounts = (value: number, c: Calibration): number =>
  voltsToCounts(unitToVolts(value, c), c);

/** The same in one line, value = counts · scale + offset: what a decoder applies to every sample. */
export function calibrationLine(c: Calibration): { readonly scale: number; readonly offset: number } {
  const scale = (c.adcRangeV * 1000) / (c.adcCounts * c.gain * c.sensitivityMvPerUnit);
  if (!Number.isFinite(scale) || scale === 0)
    throw new SmEdgeError('CALIBRATION', `a calibration of ${scale} ${c.unit} per count`);
  return { scale, offset: countsToUnit(0, c) };
}

/** The largest value that can be measured, in `unit`: at it the converter clips. */
export function fullScaleOf(c: Calibration): number {
  return Math.abs((c.adcRangeV / c.gain / c.sensitivityMvPerUnit) * 1000);
}

import { z } from 'zod';

/** Name of a measuring point: `machine.position.quantity`, at least machine and quantity, each of `[A-Za-z0-9_-]`. */
export const POINT_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*){0,7}$/;

export const pointName = () =>
  z
    .string()
    .max(200)
    .regex(POINT_NAME, 'a point is named machine.position.quantity, such as pump-1.bearing-de.temperature');

/** The parts of a point's name (ISO 13374: machine, measurement location, quantity). */
export interface PointParts {
  readonly machine: string;
  /** Empty where the name has no middle. */
  readonly position: string;
  readonly quantity: string;
}

export function pointParts(point: string): PointParts {
  const segments = point.split('.');
  return {
    machine: segments[0] ?? '',
    position: segments.slice(1, -1).join('.'),
    quantity: segments.length > 1 ? (segments[segments.length - 1] ?? '') : '',
  };
}

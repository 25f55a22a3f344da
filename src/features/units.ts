/** Units of vibration and what they are in SI. A unit that is not listed leaves velocity and displacement out. */

export const STANDARD_GRAVITY_M_PER_S2 = 9.806_65;

export type VibrationKind = 'acceleration' | 'velocity' | 'displacement';

export interface VibrationUnit {
  readonly kind: VibrationKind;
  /** One unit in m/s², m/s or m. */
  readonly toSi: number;
}

const UNITS: Readonly<Record<string, VibrationUnit>> = {
  g: { kind: 'acceleration', toSi: STANDARD_GRAVITY_M_PER_S2 },
  gn: { kind: 'acceleration', toSi: STANDARD_GRAVITY_M_PER_S2 },
  mg: { kind: 'acceleration', toSi: STANDARD_GRAVITY_M_PER_S2 / 1000 },
  'm/s2': { kind: 'acceleration', toSi: 1 },
  'mm/s2': { kind: 'acceleration', toSi: 1e-3 },
  'm/s': { kind: 'velocity', toSi: 1 },
  'mm/s': { kind: 'velocity', toSi: 1e-3 },
  'in/s': { kind: 'velocity', toSi: 0.0254 },
  ips: { kind: 'velocity', toSi: 0.0254 },
  m: { kind: 'displacement', toSi: 1 },
  mm: { kind: 'displacement', toSi: 1e-3 },
  um: { kind: 'displacement', toSi: 1e-6 },
  mil: { kind: 'displacement', toSi: 25.4e-6 },
};

/** `m/s^2`, `m/s²` and `µm` are read as `m/s2` and `um`. */
export function vibrationUnit(unit: string): VibrationUnit | undefined {
  const plain = unit.trim().replace('^', '').replace('²', '2').replace(/[µμ]/, 'u');
  return UNITS[plain];
}

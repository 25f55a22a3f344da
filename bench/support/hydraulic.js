// The recorded hydraulic rig (ZeMA): 2,205 cycles of 60 s at 1 Hz; a file a quantity, a line a cycle.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Quantities at 1 Hz, and their units. */
const UNITS = {
  TS1: 'degC',
  TS2: 'degC',
  TS3: 'degC',
  TS4: 'degC',
  VS1: 'mm/s',
  CE: '%',
  CP: 'kW',
  SE: '%',
};

/** Numbers of one file, a row a cycle. */
export const hydraulicRows = (folder, name) =>
  readFileSync(path.join(folder, 'hydraulic', `${name}.txt`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));

/** All quantities with their values, cycle behind cycle; undefined where the folder is missing. */
export function hydraulicColumns(folder) {
  if (!existsSync(path.join(folder, 'hydraulic', 'TS1.txt'))) return undefined;
  return Object.entries(UNITS).map(([name, unit]) => ({
    name,
    unit,
    values: Float64Array.from(hydraulicRows(folder, name).flat()),
  }));
}

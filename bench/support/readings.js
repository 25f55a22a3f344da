// Readings for the store's benchmark: of machines made up from a seed, and recorded ones where their folder is.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { seededRandom } from '#sm/base/random.js';

/** A column of a temperature that drifts and is read to a tenth of a degree, one in fifty steps a jump. */
export function drifting(count, seed) {
  const random = seededRandom(seed);
  let tenths = 400;
  return Float64Array.from({ length: count }, () => {
    const chance = random();
    tenths += chance < 0.02 ? Math.round(random() * 10 - 5) : chance < 0.2 ? 1 : chance < 0.38 ? -1 : 0;
    return tenths / 10;
  });
}

export function steadyTimes(startUs, count, stepUs) {
  const timesUs = new Float64Array(count);
  for (let i = 0; i < count; i++) timesUs[i] = startUs + i * stepUs;
  return timesUs;
}

/** The tables of SKAB as columns of their points; undefined where the folder is missing. */
export function skab(folder) {
  const manifest = path.join(folder, 'skab', 'manifest.json');
  if (!existsSync(manifest)) return undefined;
  const { tables } = JSON.parse(readFileSync(manifest, 'utf8'));
  return tables.flatMap((table) => {
    const [head, ...lines] = readFileSync(path.join(folder, 'skab', table.file), 'utf8')
      .trim()
      .split('\n');
    const names = head.trim().split(table.separator);
    const rows = lines.map((line) => line.trim().split(table.separator));
    const timeAt = names.indexOf(table.time.column);
    const timesUs = Float64Array.from(rows, (row) => Date.parse(`${row[timeAt].replace(' ', 'T')}Z`) * 1000);
    return table.points.map(({ column, point, unit }) => {
      const at = names.indexOf(column);
      return columnsOf(
        point,
        unit ?? '',
        timesUs,
        Float64Array.from(rows, (row) => Number(row[at])),
      );
    });
  });
}

const HYDRAULIC = {
  TS1: 'degC',
  TS2: 'degC',
  TS3: 'degC',
  TS4: 'degC',
  VS1: 'mm/s',
  CE: '%',
  CP: 'kW',
  SE: '%',
};

/** The hydraulic rig: 2,205 cycles of 60 s at 1 Hz, one behind the other. */
export function hydraulic(folder, startUs) {
  if (!existsSync(path.join(folder, 'hydraulic', 'TS1.txt'))) return undefined;
  return Object.entries(HYDRAULIC).map(([name, unit]) => {
    const text = readFileSync(path.join(folder, 'hydraulic', `${name}.txt`), 'utf8');
    const values = Float64Array.from(text.trim().split(/\s+/), Number);
    return columnsOf(
      `hydraulic.${name.toLowerCase()}`,
      unit,
      steadyTimes(startUs, values.length, 1e6),
      values,
    );
  });
}

export const columnsOf = (point, unit, timesUs, values) => ({
  point,
  unit,
  timesUs,
  values,
  codes: new Uint8Array(values.length),
});

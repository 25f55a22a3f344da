// Readings for the store's benchmark: of machines made up from a seed, and recorded ones where their folder is.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { seededRandom } from '#sm/base/random.js';
import { hydraulicColumns } from './hydraulic.js';

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

/** The hydraulic rig, one cycle behind the other; undefined where the folder is missing. */
export const hydraulic = (folder, startUs) =>
  hydraulicColumns(folder)?.map(({ name, unit, values }) =>
    columnsOf(`hydraulic.${name.toLowerCase()}`, unit, steadyTimes(startUs, values.length, 1e6), values),
  );

export const columnsOf = (point, unit, timesUs, values) => ({
  point,
  unit,
  timesUs,
  values,
  codes: new Uint8Array(values.length),
});

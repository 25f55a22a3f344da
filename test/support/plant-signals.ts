import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { hydraulicColumns } from '../../bench/support/hydraulic.js';
import { dataFolder } from './data.js';

/** Values of one point, one a second. */
export interface PlantSignal {
  readonly name: string;
  readonly unit: string;
  readonly values: Float64Array;
}

const digits = (count: number) => (value: number) => Number(value.toPrecision(count));
const steps = (step: number) => (value: number) => Math.round(value / step) * Number(step);

/**
 * The kinds of values that pumps and hydraulic rigs deliver at 1 Hz: noise of six digits about a level (vibration,
 * current, voltage, flow), slow drifts of a converter's steps (temperatures), few steps (pressure), cycles (power,
 * cooling), and a set point.
 */
export function syntheticSignals(count: number, seed: number): PlantSignal[] {
  const random = seededRandom(seed);
  const noise = () => gaussian(random);
  const series = (of: (second: number, last: number) => number, round: (value: number) => number) => {
    let last = 0;
    return Float64Array.from({ length: count }, (_, second) => {
      last = of(second, last);
      return round(last);
    });
  };
  const drift = (level: number, width: number, step: number) => (second: number, last: number) =>
    second === 0 ? level : last + (level - last) / width + step * noise();
  const cycle = (second: number, seconds: number) => ((second % seconds) / seconds < 0.6 ? 1 : 0.3);
  return [
    { name: 'vibration', unit: 'g', values: series(() => 0.2 + 0.002 * noise(), digits(6)) },
    { name: 'current', unit: 'A', values: series(() => 2.2 + 0.25 * noise(), digits(6)) },
    { name: 'voltage', unit: 'V', values: series(() => 230 + 8 * noise(), digits(6)) },
    { name: 'flow', unit: 'l/min', values: series(() => 122 + 0.8 * noise(), digits(6)) },
    { name: 'pressure', unit: 'bar', values: series(() => 0.38 * Math.round(noise()), digits(6)) },
    { name: 'casing', unit: 'degC', values: series(drift(90, 3_600, 0.05), digits(6)) },
    { name: 'oil', unit: 'degC', values: series(drift(47, 9_000, 0.02), steps(1 / 16)) },
    { name: 'ambient', unit: 'degC', values: series(drift(26.8, 9_000, 0.003), digits(6)) },
    { name: 'power', unit: 'kW', values: series((s) => 2.3 * cycle(s, 60) + 0.01 * noise(), steps(0.001)) },
    {
      name: 'cooling',
      unit: '%',
      values: series((s) => 45 + 3 * cycle(s, 60) + 0.05 * noise(), steps(0.001)),
    },
    { name: 'speed', unit: 'rpm', values: series(() => 1_480 + noise(), steps(1)) },
    { name: 'setpoint', unit: 'rpm', values: series((s) => (s % 28_800 < 14_400 ? 1_480 : 1_200), steps(1)) },
  ];
}

/** Recorded ones, repeated until they are long enough; undefined (and the reason printed) without the data folder. */
export function recordedSignals(count: number): PlantSignal[] | undefined {
  const rig = hydraulicColumns(dataFolder);
  const pump = join(dataFolder, 'skab');
  if (rig === undefined || !existsSync(join(pump, 'manifest.json'))) {
    process.stderr.write(
      `skipped: hydraulic or skab is missing in ${dataFolder}; set SM_EDGE_DATA to a folder that has them\n`,
    );
    return undefined;
  }
  const repeated = (values: ArrayLike<number>) =>
    Float64Array.from({ length: count }, (_, second) => values[second % values.length]!);
  const hydraulic = rig.map(({ name, unit, values }) => ({
    name: `rig-${name.toLowerCase()}`,
    unit,
    values: repeated(values),
  }));
  const tables = ['anomaly-free', 'valve1', 'valve2'].flatMap((folder) =>
    readdirSync(join(pump, folder))
      .filter((file) => file.endsWith('.csv'))
      .map((file) =>
        readFileSync(join(pump, folder, file), 'utf8')
          .trim()
          .split('\n'),
      ),
  );
  const rows = tables.flatMap(([, ...lines]) => lines.map((line) => line.split(';')));
  const skab = tables[0]![0]!
    .trim()
    .split(';')
    .slice(1, 9)
    .map((name, index) => ({
      name: `pump-${index}-${name.replaceAll(/\W/g, '').toLowerCase()}`,
      unit: '',
      values: repeated(rows.map((row) => Number(row[index + 1]))),
    }));
  return [...hydraulic, ...skab];
}

// The control chart on benchmarks that are not in the folder of recordings: clones of github.com/waico/SKAB and
// github.com/numenta/NAB, side by side in a folder. docs/quality.md has what it gave blind, and what was chosen after that.
//   SM_EDGE_BENCHMARKS=FOLDER npm run bench -- others
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { evaluate } from '#sm/pipeline/evaluation/evaluate.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';

const FOLDER = process.env.SM_EDGE_BENCHMARKS ?? '';
const DAY_MS = 86_400_000;
const TIME = { format: 'yyyy-MM-dd HH:mm:ss' };

const SKAB_POINTS = [
  ['Accelerometer1RMS', 'acceleration'],
  ['Accelerometer2RMS', 'acceleration'],
  ['Current', 'current'],
  ['Pressure', 'pressure'],
  ['Temperature', 'temperature'],
  ['Thermocouple', 'temperature'],
  ['Voltage', 'voltage'],
  ['Volume Flow RateRMS', 'flow'],
].map(([column, quantity]) => ({
  column,
  point: `pump.${column.toLowerCase().replaceAll(' ', '-')}`,
  quantity,
}));

const numbered = (folder, from, to) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${folder}/${from + i}.csv`);
const VALVES = [...numbered('valve1', 0, 15), ...numbered('valve2', 0, 3)];
const OTHERS = numbered('other', 1, 14);

const skabTable = (file) => ({
  file,
  separator: ';',
  time: { column: 'datetime', ...TIME },
  points: SKAB_POINTS,
  label: { column: 'anomaly', anomalous: 1 },
});

async function evaluated(data, tables, options) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-others-'));
  try {
    symlinkSync(path.resolve(data), path.join(folder, 'data'));
    const own = tables.map((table) => ({ ...table, file: `data/${table.file}` }));
    const manifest = { format: 'recording-set/1', name: 'others', tables: own };
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
    return await evaluate({ set: await openRecordingSet(folder), ...options });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function skab(clone) {
  const of = async (files) => {
    const answer = await evaluated(path.join(clone, 'data'), files.map(skabTable), {
      fit: { firstRows: 400 },
    });
    const { rocAuc, f1, falseAlarmRate, missedAlarmRate, windows } = answer;
    return { files: files.length, rocAuc, f1, falseAlarmRate, missedAlarmRate, windows };
  };
  return { other: await of(OTHERS), all: await of([...VALVES, ...OTHERS]) };
}

async function nab(clone) {
  const windows = JSON.parse(readFileSync(path.join(clone, 'labels', 'combined_windows.json'), 'utf8'));
  const results = {};
  for (const kind of new Set(Object.keys(windows).map((file) => path.dirname(file)))) {
    const tables = Object.keys(windows)
      .filter((file) => path.dirname(file) === kind)
      .map((file) => ({
        file,
        time: { column: 'timestamp', ...TIME },
        points: [{ column: 'value', point: path.basename(file, '.csv').replaceAll('_', '-') }],
        label: { windows: windows[file] },
      }));
    const options = { fit: { firstRows: 750 }, joinMs: DAY_MS };
    results[kind] = (await evaluated(path.join(clone, 'data'), tables, options)).windows;
  }
  return results;
}

export async function bench() {
  const results = {};
  for (const [name, run] of [
    ['SKAB', skab],
    ['NAB', nab],
  ]) {
    const clone = path.join(FOLDER, name);
    results[name] = existsSync(clone) ? await run(clone) : { missing: clone };
  }
  return results;
}

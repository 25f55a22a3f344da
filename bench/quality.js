// How right the gateway is on recordings of real machines (docs/quality.md): what `sm-edge evaluate` says of each set,
// learned on the gateway from the healthy part alone. Sets that are missing are left out, and said so.
//   node bench/run.js quality          SM_EDGE_DATA=FOLDER: where the recording sets are
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { evaluate } from '#sm/pipeline/evaluation/evaluate.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';

const DATA = process.env.SM_EDGE_DATA ?? path.resolve(import.meta.dirname, '../../shared/data');
const DAY_MS = 86_400_000;
const round = (value) => (value === null ? null : Number(value.toFixed(4)));

async function of(folder, options) {
  const started = performance.now();
  const answer = await evaluate({ set: await openRecordingSet(folder), fit: 'beginning', ...options });
  return { answer, seconds: Number(((performance.now() - started) / 1000).toFixed(1)) };
}

const rates = ({ rocAuc, f1, falseAlarmRate, missedAlarmRate, confusion }) => ({
  rocAuc: round(rocAuc),
  f1: round(f1),
  falseAlarmRate: round(falseAlarmRate),
  missedAlarmRate: round(missedAlarmRate),
  confusion,
});

async function skab(folder) {
  const only = (file) => file.startsWith('valve');
  const { answer, seconds } = await of(folder, { fit: { firstRows: 400 }, only });
  return { ...rates(answer), seconds };
}

async function nab(folder) {
  const { answer, seconds } = await of(folder, { fit: { firstRows: 750 }, joinMs: DAY_MS });
  return { ...answer.windows, medianDelayH: round(answer.medianDelayS / 3600), seconds };
}

async function femto(folder) {
  const { answer, seconds } = await of(folder);
  const first = answer.detections.map(({ file, lifeShare, channel }) => ({
    file,
    alarmAtShareOfLife: round(lifeShare),
    by: channel.split(' ').at(-1),
  }));
  const leads = first.map(({ alarmAtShareOfLife }) => 1 - alarmAtShareOfLife).sort((a, b) => a - b);
  return {
    alarms: first,
    of: answer.perRecording.length,
    medianLeadShare: round(leads[leads.length >> 1]),
    seconds,
  };
}

const population = (options) => async (folder) => {
  const { answer, seconds } = await of(folder, options);
  return { ...rates(answer), seconds };
};

const IMS_LINES = ['bpfo', 'bpfi', 'bsf'];

/**
 * The tables of features lie beside the set; from them a table is made of what tells a bearing: its RMS, and the strongest of
 * its lines in the envelope, whichever fault that line stands for.
 */
async function ims(folder, test) {
  const [raw, spectral] = ['raw', 'spectral'].map((kind) =>
    path.join(folder, 'features', `${test}_${kind}.csv`),
  );
  for (const file of [raw, spectral]) if (!existsSync(file)) return { missing: file };
  const rms = columnsOf(raw);
  const lines = columnsOf(spectral);
  const bearings = [1, 2, 3, 4];
  const columns = bearings.flatMap((bearing) => [
    rms(`Bearing${bearing}_ch1_rms`),
    lines(...IMS_LINES.map((line) => `Bearing${bearing}_ch1_env_${line}_energy`)),
  ]);
  const names = bearings.flatMap((bearing) => [`bearing${bearing}.rms`, `bearing${bearing}.line`]);
  const rows = columns[0].map((_, i) => columns.map((column) => column[i]).join(','));
  const temporary = mkdtempSync(path.join(tmpdir(), 'sm-edge-ims-'));
  try {
    writeFileSync(path.join(temporary, 'lives.csv'), `${[names.join(','), ...rows].join('\n')}\n`);
    const firstAlarm = async (...kinds) => {
      const tables = bearings.map((bearing) => ({
        file: 'lives.csv',
        points: kinds.map(([kind, quantity]) => ({
          column: `bearing${bearing}.${kind}`,
          point: `ims.bearing${bearing}.${kind}`,
          quantity,
        })),
      }));
      const manifest = { format: 'recording-set/1', name: `ims-${test}`, tables };
      writeFileSync(path.join(temporary, 'manifest.json'), JSON.stringify(manifest));
      const { answer } = await of(temporary, { joinMs: Number.POSITIVE_INFINITY });
      // Rows without a time are a second apart: the time is the number of the snapshot.
      return Object.fromEntries(
        answer.detections.map(({ channel, from }) => [channel.split('.')[1], Date.parse(from) / 1000]),
      );
    };
    const level = ['rms', 'acceleration'];
    const line = ['line', 'envelope-energy'];
    return {
      firstAlarmAtSnapshot: {
        rms: await firstAlarm(level),
        'strongest line of the envelope': await firstAlarm(line),
        both: await firstAlarm(level, line),
      },
    };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Reads a CSV of numbers; gives the columns of these names, row by row the largest of them. */
function columnsOf(file) {
  const [header, ...rows] = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((row) => row.split(','));
  return (...names) => {
    const places = names.map((name) => header.indexOf(name));
    if (places.includes(-1)) throw new Error(`${file} has no column ${names[places.indexOf(-1)]}`);
    return rows.map((row) => Math.max(...places.map((place) => Number(row[place]))));
  };
}

const SETS = {
  skab,
  nab,
  femto,
  'ims, test 2': (folder) => ims(folder, 'test2'),
  'ims, test 1': (folder) => ims(folder, 'test1'),
  cwru: population({ only: (file) => /normal.*12k|de12k/.test(file) }),
  'hit-sm': population({}),
  unbalance: population({}),
  mimii: population({}),
  'mimii, level ignored': population({ ignoreLevel: true }),
};

export async function bench() {
  const results = {};
  for (const [name, run] of Object.entries(SETS)) {
    const folder = path.join(DATA, name.split(',')[0]);
    results[name] = existsSync(path.join(folder, 'manifest.json')) ? await run(folder) : { missing: folder };
  }
  return results;
}

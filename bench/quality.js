// How right the gateway is on recordings of real machines (docs/quality.md): what `sm-edge evaluate` says of each set,
// learned on the gateway from the healthy part alone. Sets that are missing are left out, and said so.
//   node bench/run.js quality          SM_EDGE_DATA=FOLDER: where the recording sets are
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

/** The table of features lies beside the set: a manifest for it is made here. */
async function ims(folder) {
  const file = path.join(folder, 'features', 'test2_spectral.csv');
  if (!existsSync(file)) return { missing: file };
  const temporary = mkdtempSync(path.join(tmpdir(), 'sm-edge-ims-'));
  try {
    const answers = {};
    const raw = path.join(folder, 'features', 'test2_raw.csv');
    for (const [name, table, column, quantity] of [
      ['rms', raw, 'rms', 'acceleration'],
      ['envelope energy at BPFO', file, 'env_bpfo_energy', 'envelope-energy'],
    ]) {
      symlinkSync(table, path.join(temporary, path.basename(table)));
      const header = readFileSync(table, 'utf8').split('\n', 1)[0];
      const tables = [1, 2, 3, 4].map((bearing) => ({
        file: path.basename(table),
        points: [
          { column: `Bearing${bearing}_ch1_${column}`, point: `ims.bearing${bearing}.level`, quantity },
        ],
      }));
      if (!header.includes(tables[0].points[0].column)) return { missing: tables[0].points[0].column };
      writeFileSync(
        path.join(temporary, 'manifest.json'),
        JSON.stringify({ format: 'recording-set/1', name: 'ims-test2', tables }),
      );
      const { answer } = await of(temporary, { joinMs: Number.POSITIVE_INFINITY });
      // Rows without a time are a second apart: the time is the number of the snapshot.
      answers[name] = Object.fromEntries(
        answer.detections.map(({ channel, from }) => [channel.split('.')[1], Date.parse(from) / 1000]),
      );
    }
    return { firstAlarmAtSnapshot: answers };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const SETS = {
  skab,
  nab,
  femto,
  ims,
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

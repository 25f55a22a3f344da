// What operating states are worth on recorded machines: a hydraulic rig whose cooler fails, and a water pump loop whose
// valves close. Judged by the baselines alone, with states found, declared, and without.
//   npm run bench -- states-recorded
//   SM_EDGE_DATA=FOLDER npm run bench -- states-recorded        another folder of recordings
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hydraulicColumns, hydraulicRows } from './support/hydraulic.js';
import { judgeStory } from './support/judged-readings.js';

const DATA = process.env.SM_EDGE_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));

/** What the rig's quantities are called here. */
const RIG = {
  TS1: 'temperature-1',
  TS2: 'temperature-2',
  TS3: 'temperature-3',
  TS4: 'temperature-4',
  VS1: 'vibration',
  CE: 'cooling-efficiency',
  // What a gateway takes for the load of the machine, by its name.
  CP: 'cooler.power',
  SE: 'efficiency',
};
const CYCLE_S = 60;
/** Learning, not counted. */
const RIG_LEARNING_CYCLES = 120;

/**
 * The rig at 1 Hz, in the order of its cycles but for the beginning: recorded are the cooler near to failure, reduced,
 * full. A gateway that begins with a broken cooler can know no better, so the third with the full cooler comes first.
 */
function hydraulicRig() {
  const profile = hydraulicRows(DATA, 'profile');
  const columns = hydraulicColumns(DATA).map(({ name, unit, values }) => ({
    point: `rig.${RIG[name]}`,
    unit,
    values,
  }));
  const order = [100, 20, 3].flatMap((cooler) =>
    profile.flatMap(([of], cycle) => (of === cooler ? [{ cycle, cooler }] : [])),
  );
  return order.flatMap(({ cycle, cooler }, at) =>
    Array.from({ length: CYCLE_S }, (_, second) => ({
      timeMs: (at * CYCLE_S + second) * 1000,
      readings: Object.fromEntries(
        columns.map(({ point, unit, values }) => [point, [values[cycle * CYCLE_S + second], unit]]),
      ),
      fault: cooler < 100 ? `cooler at ${cooler} %` : at < RIG_LEARNING_CYCLES ? null : undefined,
    })),
  );
}

/** Rows of SKAB files, one after the other as they were recorded: each holds one fault. */
function waterPump(files, learningS) {
  const { tables } = JSON.parse(readFileSync(join(DATA, 'skab', 'manifest.json'), 'utf8'));
  const story = files.flatMap((file) => {
    const [head, ...lines] = readFileSync(join(DATA, 'skab', file), 'utf8')
      .trim()
      .split(/\r?\n/);
    const names = head.split(';');
    const { points } = tables.find((table) => table.file === file);
    return lines.map((line) => {
      const cells = line.split(';');
      const cell = (name) => cells[names.indexOf(name)];
      return {
        timeMs: Date.parse(`${cell('datetime').replace(' ', 'T')}Z`),
        readings: Object.fromEntries(
          points.map(({ column, point, unit }) => [point, [Number(cell(column)), unit]]),
        ),
        fault: Number(cell('anomaly') ?? 0) > 0 ? file : undefined,
      };
    });
  });
  const from = story[0].timeMs;
  return story.map((step) =>
    step.timeMs - from < learningS * 1000 ? { ...step, fault: step.fault ?? null } : step,
  );
}

const VALVES = [
  ...Array.from({ length: 16 }, (_, i) => `valve1/${i}.csv`),
  ...Array.from({ length: 4 }, (_, i) => `valve2/${i}.csv`),
];

const STORIES = {
  'hydraulic rig, cooler': {
    set: 'hydraulic',
    machine: 'rig',
    story: hydraulicRig,
    states: {
      none: 'none',
      found: 'found',
      // The load cycle, by what it does to the efficiency: 8 s without load in each minute.
      declared: {
        point: 'rig.efficiency',
        stoppedBelow: 5,
        dwell: '1s',
        change: { by: 200, within: '1s' },
      },
    },
  },
  'water pump, valves': {
    set: 'skab',
    machine: 'skab-pump',
    story: () => waterPump(VALVES, 400),
    states: { none: 'none', found: 'found' },
  },
  'water pump, healthy at another duty before': {
    set: 'skab',
    machine: 'skab-pump',
    story: () => waterPump(['anomaly-free/anomaly-free.csv', ...VALVES], 3600),
    states: {
      none: 'none',
      found: 'found',
      // One value of the current does not tell the two duties well; that it stays there does.
      declared: {
        point: 'skab-pump.current',
        hysteresis: 0.4,
        change: { by: 100, within: '1s' },
        bins: [
          { name: 'part-load', to: 1.7 },
          { name: 'full-load', from: 1.7 },
        ],
      },
    },
  },
};

/** Only stories whose name holds this. */
const WANTED = process.env.SM_EDGE_BENCH_STORY ?? '';

export async function bench() {
  const results = {};
  for (const [name, { set, machine, story, states }] of Object.entries(STORIES)) {
    if (!name.includes(WANTED)) continue;
    if (!existsSync(join(DATA, set))) {
      results[name] = { skipped: `${set} is missing in ${DATA}; set SM_EDGE_DATA to a folder that has it` };
      continue;
    }
    const steps = story();
    results[name] = {};
    for (const [way, of] of Object.entries(states)) results[name][way] = await judgeStory(machine, of, steps);
  }
  return results;
}

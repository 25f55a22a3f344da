// What the validation of anomalies takes away and what it costs, on recorded data with labelled faults: replays each
// set through the whole pipeline with it, and judges the same scores without it.
//   npm run bench -- validation
//   SM_EDGE_DATA=FOLDER npm run bench -- validation        another folder of recording sets
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_ANOMALY_ALARM } from '#sm/alarms/config.js';
import { AlarmEngine } from '#sm/alarms/engine.js';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { startOffline } from '#sm/pipeline/recordings/offline.js';
import { replay } from '#sm/pipeline/recordings/replay.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';

const DATA = process.env.SM_EDGE_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));
/** Sets whose tables say when there was a fault. */
const SETS = ['skab', 'nab'];
/** Anomalous blocks with no more than this many usual ones between them are one anomaly. */
const GAP = 5;
/** A point shows a fault when this share of its blocks is anomalous in it, and twice that of the time before. */
const SHOWN = 0.05;

/** A run of blocks of one point: `anomalous`, `believed` (confirmed by then), `faulty` (labelled). */
async function blocksOf(set, options) {
  const offline = await startOffline({ clock: systemClock, metrics: new Metrics(), config: undefined });
  const faulty = new Map();
  for (const table of set.manifest.tables) {
    const times = new Set();
    for await (const row of set.readTable(table)) if (row.anomalous) times.add(row.timeMs);
    faulty.set(table.file, times);
  }
  const points = new Map();
  let raisedFalse = 0;
  let raisedTrue = 0;
  try {
    const alarms = new AlarmEngine([{ ...DEFAULT_ANOMALY_ALARM, ...options.alarm }]);
    for await (const line of replay({ set, ...offline, alarms, configured: false })) {
      const key = `${line.recording}\n${line.point}`;
      const timeMs = Date.parse(line.time);
      const isFaulty = faulty.get(line.recording)?.has(timeMs) ?? false;
      if (line.kind === 'score') {
        const blocks = points.get(key) ?? [];
        points.set(key, blocks);
        blocks.push({
          timeMs,
          anomalous: line.anomalous,
          faulty: isFaulty,
          believed: line.believed === true,
        });
      }
      if (line.kind === 'alarm' && line.to === 'unacknowledged') isFaulty ? raisedTrue++ : raisedFalse++;
    }
  } finally {
    await offline.close();
  }
  return { points: [...points.values()], raisedFalse, raisedTrue };
}

/** The anomalies of a point: from the first to the last of their blocks. */
function anomaliesOf(blocks) {
  const found = [];
  for (const [at, { anomalous, faulty, believed }] of blocks.entries()) {
    if (!anomalous) continue;
    let last = found.at(-1);
    if (last === undefined || at - last.to > GAP) {
      last = { from: at, to: at, faulty: false, believed: false };
      found.push(last);
    }
    last.to = at;
    last.faulty ||= faulty;
    last.believed ||= believed;
  }
  return found;
}

const share = (blocks) => blocks.filter(({ anomalous }) => anomalous).length / Math.max(1, blocks.length);

/** How much later a fault that the point shows is believed than seen, in blocks; undefined where it shows none. */
function delayOf(blocks) {
  const from = blocks.findIndex(({ faulty }) => faulty);
  if (from < 0) return undefined;
  const inFault = blocks.slice(from).filter(({ faulty }) => faulty);
  if (share(inFault) < SHOWN || share(inFault) < 2 * share(blocks.slice(0, from))) return undefined;
  // An anomaly that was believed before the label began goes on.
  const believed = inFault.findIndex((block) => block.believed);
  const first = inFault.findIndex(({ anomalous }) => anomalous);
  // The fault is there from the first block of which two in three are anomalous; one alone may be chance.
  const onset = inFault.findIndex(
    ({ anomalous }, at) =>
      anomalous && inFault.slice(at, at + 3).filter((block) => block.anomalous).length >= 2,
  );
  return {
    fromOnset: believed < 0 ? null : believed - onset,
    fromFirst: believed < 0 ? null : believed - first,
  };
}

async function measure(set) {
  const { points, raisedFalse, raisedTrue } = await blocksOf(set, { alarm: {} });
  const without = await blocksOf(set, { alarm: { validated: false } });
  const atOnce = await blocksOf(set, { alarm: { onDelay: 0 } });
  const atOnceWithout = await blocksOf(set, { alarm: { onDelay: 0, validated: false } });
  const anomalies = points.flatMap(anomaliesOf);
  const wrong = anomalies.filter(({ faulty }) => !faulty);
  const delays = points.flatMap((blocks) => delayOf(blocks) ?? []);
  const sorted = (key) => delays.map((delay) => delay[key]).sort((a, b) => a - b);
  return {
    blocks: points.reduce((sum, blocks) => sum + blocks.length, 0),
    falseAnomalies: wrong.length,
    falseBelieved: wrong.filter(({ believed }) => believed).length,
    removed: wrong.length === 0 ? null : 1 - wrong.filter(({ believed }) => believed).length / wrong.length,
    trueAnomalies: delays.length,
    trueMissed: delays.filter(({ fromOnset }) => fromOnset === null).length,
    /** Blocks from the onset of each true anomaly to the block with which it is believed. */
    delayBlocks: sorted('fromOnset'),
    /** The same from the first anomalous block in the labelled time, chance ones included. */
    delayFromFirstBlocks: sorted('fromFirst'),
    alarms: {
      standard: {
        false: raisedFalse,
        true: raisedTrue,
        falseWithout: without.raisedFalse,
        trueWithout: without.raisedTrue,
      },
      withoutOnDelay: {
        false: atOnce.raisedFalse,
        true: atOnce.raisedTrue,
        falseWithout: atOnceWithout.raisedFalse,
        trueWithout: atOnceWithout.raisedTrue,
      },
    },
  };
}

export async function bench() {
  const results = {};
  for (const name of SETS) {
    const folder = join(DATA, name);
    if (!existsSync(join(folder, 'manifest.json'))) {
      process.stderr.write(`skipped: ${folder} is missing; set SM_EDGE_DATA to a folder that has it\n`);
      continue;
    }
    results[name] = await measure(await openRecordingSet(folder));
  }
  return results;
}

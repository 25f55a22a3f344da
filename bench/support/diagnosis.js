// Counts of verdicts: on machines drawn at random (src/simulator/random-rig.ts), and on recording sets. Used by
// bench/diagnosis.js and the two scripts that print more of it.
import { diagnose } from '#sm/diagnosis/diagnose.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { drawRig } from '#sm/simulator/random-rig.js';

/** Shock over background: below 1 a shock is lost in the noise to the eye, from 2 on it can be seen. */
const STRENGTHS = [0, 0.5, 1, 2, Number.POSITIVE_INFINITY];
/** A speed that is called certain is right within this share. */
const SPEED_TOLERANCE = 0.004;

const isFault = (fault) => fault !== 'normal' && fault !== 'unknown';
const percent = (part, whole) => Number(((100 * part) / Math.max(1, whole)).toFixed(1));

/**
 * @param {{ faults: readonly string[], from: number, seeds: number, onEach?: Function }} options
 * @returns rows by fault and strength of its shocks, and how often the speed was found
 */
export async function measureRates({ faults, from, seeds, onEach }) {
  const speed = { machines: 0, certainAndRight: 0, certainAndWrong: 0 };
  const rows = [];
  for (const fault of faults) {
    const groups = new Map();
    for (let seed = from; seed < from + seeds; seed++) {
      const rig = drawRig({ seed, fault });
      const diagnosis = await diagnose([rig.samples], rig.spec);
      speed.machines++;
      if (diagnosis.speedRpm !== undefined) {
        const right = Math.abs(diagnosis.speedRpm / rig.trueSpeedRpm - 1) < SPEED_TOLERANCE;
        speed[right ? 'certainAndRight' : 'certainAndWrong']++;
      }
      const bin = STRENGTHS.findIndex((limit) => rig.strength <= limit);
      const group = groups.get(bin) ?? { machines: 0, right: 0, falseFault: 0, verdicts: {} };
      group.machines++;
      if (diagnosis.fault === fault) group.right++;
      else if (isFault(diagnosis.fault)) group.falseFault++;
      group.verdicts[diagnosis.fault] = (group.verdicts[diagnosis.fault] ?? 0) + 1;
      groups.set(bin, group);
      onEach?.(seed, rig, diagnosis);
    }
    for (const [bin, { machines, right, falseFault, verdicts }] of [...groups].sort(([a], [b]) => a - b)) {
      const [low, high] = [STRENGTHS[bin - 1], STRENGTHS[bin]];
      rows.push({
        fault,
        ...(bin === 0 ? {} : { shock: Number.isFinite(high) ? `${low} to ${high}` : `over ${low}` }),
        machines,
        rightPercent: percent(right, machines),
        falseFaultPercent: percent(falseFault, machines),
        verdicts,
      });
    }
  }
  return { rows, speed };
}

/**
 * Verdicts over a recording set, the declared speed multiplied by each of `nameplates`.
 * @param {string} folder
 * @param {{ nameplates: readonly number[], only?: string, onEach?: Function }} options
 */
export async function measureRecordings(folder, { nameplates, only = '', onEach }) {
  const set = await openRecordingSet(folder);
  const counts = {};
  for (const entry of set.manifest.recordings) {
    if (!entry.file.includes(only)) continue;
    const recording = await set.readRecording(entry);
    const blocks = recording.blocks.map((block) => block.samples);
    const verdicts = [];
    for (const share of nameplates) {
      const diagnosis = await diagnose(blocks, {
        sampleRateHz: recording.sampleRateHz,
        blockLength: blocks[0].length,
        unit: recording.unit,
        quantity: recording.quantity,
        ...(recording.speedRpm === undefined ? {} : { speedRpm: recording.speedRpm * share }),
        ...(recording.bearing === undefined ? {} : { bearing: recording.bearing }),
      });
      verdicts.push(diagnosis);
      const key = `${recording.file.split('/')[0]} ${recording.label}`;
      counts[key] ??= {};
      counts[key][share] ??= {};
      const count = counts[key][share];
      count[diagnosis.fault] = (count[diagnosis.fault] ?? 0) + 1;
    }
    onEach?.(recording, verdicts);
  }
  return counts;
}

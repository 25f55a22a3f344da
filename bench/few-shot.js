// Naming faults from few labelled cases (src/scoring/learning/fault-classifier.ts) on CWRU: what was labelled at one load or
// size is looked for at the others. A case is a recording, by the median of its windows.
//   node bench/run.js few-shot          SM_EDGE_DATA=FOLDER: where the recording sets are
import { existsSync } from 'node:fs';
import path from 'node:path';
import { medianOf } from '#sm/base/median.js';
import { conclusive, speaksAgainst } from '#sm/pipeline/cases/physical-voice.js';
import { sightOf } from '#sm/pipeline/evaluation/sight.js';
import { MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { RecordingAnalysis } from '#sm/pipeline/recordings/recording-windows.js';
import { classify, fitFaultClassifier } from '#sm/scoring/learning/fault-classifier.js';
import { applyScaler, commonFeatures, fitScaler } from '#sm/scoring/learning/scaler.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';

const DATA = process.env.SM_EDGE_DATA ?? path.resolve(import.meta.dirname, '../../shared/data');
const FAULTS = ['ball', 'inner', 'outer'];

async function recordings(folder) {
  const set = await openRecordingSet(folder);
  const analysis = new RecordingAnalysis(new MachineRegistry([]), false);
  const found = [];
  for await (const recording of set.recordings()) {
    if (recording.sampleRateHz !== 12_000 || !recording.point.includes('.de.')) continue;
    const { file, label, windows, diagnosis } = await sightOf(recording, analysis);
    found.push({ file, label, windows, physics: conclusive(diagnosis) });
  }
  analysis.close();
  return found;
}

/** Fits on some recordings and names the others: how many are named, and how many of those rightly. */
function split(all, isTraining, withoutLabel) {
  const healthy = all.filter(({ label }) => label === 'normal').flatMap(({ windows }) => windows);
  const faulty = all.filter(({ label }) => label !== 'normal');
  const features = commonFeatures(all.flatMap(({ windows }) => windows));
  const scaler = fitScaler(healthy, features);
  const z = ({ windows }) =>
    applyScaler(
      scaler,
      Object.fromEntries(features.map((name) => [name, medianOf(windows.map((window) => window[name]))])),
    );
  const training = faulty.filter((of) => isTraining(of) && of.label !== withoutLabel);
  const tested = faulty.filter((of) =>
    withoutLabel === undefined ? !isTraining(of) : of.label === withoutLabel,
  );
  const classifier = fitFaultClassifier(
    features,
    training.map((of) => ({
      label: of.label,
      z: z(of),
      windows: of.windows.slice(0, 8).map((window) => applyScaler(scaler, window)),
    })),
    healthy.map((row) => applyScaler(scaler, row)),
  );
  const nameOf = (at) => {
    const probabilities = classify(classifier, at);
    return classifier.labels[probabilities.indexOf(Math.max(...probabilities))];
  };
  const named = tested.map((of) => ({ label: of.label, physics: of.physics, named: nameOf(z(of)) }));
  const windows = tested.flatMap((of) =>
    of.windows.map((window) => ({ label: of.label, named: nameOf(applyScaler(scaler, window)) })),
  );
  const rightly = windows.filter((of) => of.named === of.label).length / windows.length;
  const known = named.filter((of) => of.named !== 'unknown');
  // As the gateway tells it: physics has a say against a name.
  const told = known.filter(
    (of) =>
      !speaksAgainst(
        of.physics,
        training.filter(({ label }) => label === of.named).map(({ physics }) => physics),
      ),
  );
  return {
    cases: training.length,
    tested: tested.length,
    named: known.length,
    right: known.filter((of) => of.named === of.label).length,
    namedWithPhysics: told.length,
    rightWithPhysics: told.filter((of) => of.named === of.label).length,
    windowsNamedRightly: Number(rightly.toFixed(3)),
    windowsUnknown: Number(
      (windows.filter((of) => of.named === 'unknown').length / windows.length).toFixed(3),
    ),
    leaveOneOut: Number(classifier.accuracy.toFixed(3)),
  };
}

export async function bench() {
  const folder = path.join(DATA, 'cwru');
  if (!existsSync(folder)) return { skipped: `${folder} is missing` };
  const all = await recordings(folder);
  return {
    'labelled at load 0, asked at load 1': split(all, ({ file }) => file.includes('load0')),
    'labelled at load 1, asked at load 0': split(all, ({ file }) => file.includes('load1')),
    'labelled at 0.007 in, asked at other sizes': split(all, ({ file }) => file.includes('_007_')),
    'labelled at 0.021 in, asked at other sizes': split(all, ({ file }) => file.includes('_021_')),
    ...Object.fromEntries(
      FAULTS.map((fault) => [`${fault} never labelled: named all the same`, split(all, () => true, fault)]),
    ),
  };
}

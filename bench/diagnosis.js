// How often the diagnosis is right, and how often it names a fault that is not there: on machines drawn at random with a
// nameplate wrong by up to 7 %, and on real recordings where their folder is (SM_EDGE_DATA, ../shared/data where missing).
//   npm run bench -- diagnosis
//   SM_EDGE_BENCH_SEEDS=100     machines of each kind (9 kinds; a machine takes a third of a second)
import { existsSync } from 'node:fs';
import path from 'node:path';
import { RIG_FAULTS } from '#sm/simulator/random-rig.js';
import { measureRates, measureRecordings } from './support/diagnosis.js';

const SEEDS = Number(process.env.SM_EDGE_BENCH_SEEDS ?? 100);
const DATA = process.env.SM_EDGE_DATA ?? path.join(import.meta.dirname, '..', '..', 'shared', 'data');
const SETS = ['cwru', 'hit-sm', 'unbalance', 'ims'];
const NAMEPLATES = [0.93, 0.96, 1, 1.04, 1.07];

export async function bench() {
  const drawn = await measureRates({ faults: RIG_FAULTS, from: 1, seeds: SEEDS });
  const recordings = {};
  for (const set of SETS) {
    const folder = path.join(DATA, set);
    if (existsSync(path.join(folder, 'manifest.json')))
      recordings[set] = await measureRecordings(folder, { nameplates: NAMEPLATES });
    else process.stderr.write(`bench diagnosis: left out, no recordings in ${folder}\n`);
  }
  return { drawn, recordings };
}

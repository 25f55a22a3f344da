// What the virtual machines cost: CPU time of all their channels, as a share of the time that they stand for.
//   npm run bench -- simulator
import { seededRandom } from '#sm/base/random.js';
import { Fan } from '#sm/simulator/fan.js';
import { Pump } from '#sm/simulator/pump.js';

const VIBRATION_HZ = 25_600;
const BLOCK = 4_096;
const BLOCK_S = BLOCK / VIBRATION_HZ;
const BLOCKS = 500;
/** The defect of the pump is as large as it gets, the fan rubs from the start: what costs most. */
const WARM_BLOCKS = 500;

export async function bench() {
  const pump = new Pump({
    random: seededRandom(3),
    sampleRateHz: VIBRATION_HZ,
    defect: { kind: 'outer', afterS: 20, growthS: 60 },
  });
  const fan = new Fan({
    random: seededRandom(5),
    soundSampleRateHz: 16_000,
    vibrationSampleRateHz: VIBRATION_HZ,
    rubbingAfterS: 0,
  });
  const run = (blocks) => {
    for (let i = 0; i < blocks; i++) {
      pump.next(BLOCK);
      fan.next(BLOCK_S);
    }
  };
  run(WARM_BLOCKS);
  const start = process.cpuUsage();
  run(BLOCKS);
  const { user, system } = process.cpuUsage(start);
  return { shareOfRealTime: (user + system) / 1e6 / (BLOCKS * BLOCK_S) };
}

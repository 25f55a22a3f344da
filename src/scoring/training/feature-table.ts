import type { Random } from '../../base/random.js';
import { defaultBlockLength } from '../../features/block-length.js';
import { createExtractor } from '../../features/extractor.js';
import type { Extractor, FeatureVector } from '../../features/spec.js';
import { drawHealthyMachine } from './healthy-machine.js';

/** Features of `machines` healthy machines, `blocksEach` blocks of each, in the order in which they were drawn. */
export async function healthyFeatures(
  random: Random,
  machines: number,
  blocksEach: number,
): Promise<FeatureVector[]> {
  const extractors = new Map<string, Extractor>();
  const rows: FeatureVector[] = [];
  try {
    for (let i = 0; i < machines; i++) {
      const machine = drawHealthyMachine(random);
      const blockLength = defaultBlockLength(machine.sampleRateHz, machine.speedRpm);
      const key = `${machine.sampleRateHz}/${blockLength}`;
      // Speed and bearing are not told: the model may use only what every point has.
      const extractor =
        extractors.get(key) ??
        (await createExtractor({
          sampleRateHz: machine.sampleRateHz,
          blockLength,
          unit: 'g',
          quantity: 'acceleration',
        }));
      extractors.set(key, extractor);
      for (let block = 0; block < blocksEach; block++)
        rows.push(extractor.extract(machine.record(blockLength)));
    }
  } finally {
    for (const extractor of extractors.values()) extractor.close();
  }
  return rows;
}

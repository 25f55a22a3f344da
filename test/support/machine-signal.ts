import { gaussian, seededRandom } from '#sm/base/random.js';
import { eventually } from './daemon.js';
import type { startGateway } from './gateway.js';

type Started = Awaited<ReturnType<typeof startGateway>>;

const RATE_HZ = 2048;
const BLOCK = 2048;

/** A machine that is posted to a gateway, block by block, in a time of its own. */
export class PostedMachine {
  readonly point: string;
  /** 1 while it is healthy. */
  level = 1;
  /** A knock so many times a second; none while 0. */
  knocksHz = 0;
  timeMs: number;
  readonly #random = seededRandom(5);
  /** Blocks that each gateway was sent: one that was started anew has no signal yet. */
  readonly #blocks = new WeakMap<Started, number>();
  #sequence = 0;

  constructor(point: string, startMs: number) {
    this.point = point;
    this.timeMs = startMs;
  }

  /** Posts so many seconds; resolves once they are analysed. */
  async run(gateway: Started, seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      const before = await windowsOf(gateway);
      const answer = await gateway.api.inject({
        method: 'POST',
        url: '/api/v1/data/ingest',
        payload: { waveforms: [this.#block()] },
      });
      if (answer.statusCode !== 201) throw new Error(answer.body);
      // A window is as long as two blocks, half of it that of the one before: the first block makes none.
      const blocks = (this.#blocks.get(gateway) ?? 0) + 1;
      this.#blocks.set(gateway, blocks);
      if (blocks > 1)
        await eventually('the window is analysed', async () =>
          (await windowsOf(gateway)) > before ? true : undefined,
        );
    }
  }

  #block() {
    const load = 1 + 0.1 * Math.sin(this.#sequence / 7);
    const samples = Float32Array.from({ length: BLOCK }, (_, i) => {
      const t = i / RATE_HZ;
      const knock = this.knocksHz > 0 && (t * this.knocksHz) % 1 < 0.01 ? 3 : 0;
      const turn = 0.3 * Math.sin(2 * Math.PI * 24.5 * t) + 0.1 * Math.sin(2 * Math.PI * 49 * t);
      const ring = knock * Math.sin(2 * Math.PI * 500 * t);
      return this.level * load * (turn + ring + 0.1 * gaussian(this.#random));
    });
    const block = {
      point: this.point,
      unit: 'g',
      sampleRateHz: RATE_HZ,
      time: this.timeMs,
      sequence: this.#sequence++,
      samples: Buffer.from(samples.buffer).toString('base64'),
      encoding: 'float32le',
    };
    this.timeMs += (BLOCK * 1000) / RATE_HZ;
    return block;
  }
}

/** Windows that have been taken from the signal, analysed or not. */
async function windowsOf({ gateway }: Started): Promise<number> {
  const text = await gateway.metrics.registry.metrics();
  const counts = text.matchAll(/^sm_edge_pipeline_windows(?:_skipped|_failed)?_total(?:{.*})? (\d+)/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

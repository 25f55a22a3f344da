import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { DETECTOR_KINDS } from '../../scoring/learning/detectors/detector.js';
import type { Trial } from '../../scoring/learning/train-detector.js';

const schema = z.strictObject({
  rows: z.string(),
  trials: z.array(
    z.strictObject({ kind: z.enum(DETECTOR_KINDS), heldOut: z.array(z.number()), detected: z.number() }),
  ),
});

/** Trials that are done, so that a training that was stopped goes on where it was; of other rows they count for nothing. */
export class Checkpoint {
  readonly #path: string;
  readonly #rows: string;
  readonly #trials: Trial[] = [];

  constructor(path: string, rows: readonly object[]) {
    this.#path = path;
    const hash = createHash('sha256');
    for (const row of rows) hash.update(JSON.stringify(row));
    this.#rows = hash.digest('hex');
  }

  async read(): Promise<readonly Trial[]> {
    const text = await readFile(this.#path, 'utf8').catch(() => undefined);
    if (text === undefined) return [];
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      // Stopped in the middle of a write: nothing is lost but time.
      return [];
    }
    const parsed = schema.safeParse(document);
    return parsed.success && parsed.data.rows === this.#rows ? parsed.data.trials : [];
  }

  async add(trial: Trial): Promise<void> {
    this.#trials.push(trial);
    await mkdir(dirname(this.#path), { recursive: true });
    const draft = `${this.#path}.new`;
    await writeFile(draft, JSON.stringify({ rows: this.#rows, trials: this.#trials }));
    await rename(draft, this.#path);
  }

  remove(): Promise<void> {
    return rm(this.#path, { force: true });
  }
}

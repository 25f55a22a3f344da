import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';

const localModel = z.strictObject({ name: z.string(), version: z.string() });
const origin = z.strictObject({
  registeredName: z.string(),
  version: z.string(),
  alias: z.string(),
  source: z.string(),
  runId: z.string().optional(),
});

const verdict = z.strictObject({
  version: z.string(),
  /** Program that came to it: a newer one may decide otherwise. */
  programVersion: z.string(),
  code: z.string(),
  message: z.string(),
});

const bindingState = z.strictObject({
  active: z.strictObject({ local: localModel, origin }).optional(),
  refused: verdict.optional(),
});

const stateFile = z.strictObject({
  format: z.literal('mlflow-models/1'),
  /** `NAME@ALIAS` to what is known of it. */
  bindings: z.record(z.string(), bindingState),
});

export type BindingState = z.infer<typeof bindingState>;

/**
 * What came down and what was refused, kept over restarts: so that a gateway without a network starts with the
 * model that it had, and downloads no model twice. Written beside and renamed, so that a power cut leaves the
 * old one or the new one.
 */
export class ModelState {
  readonly #file: string;
  readonly #bindings = new Map<string, BindingState>();

  constructor(folder: string) {
    this.#file = path.join(folder, 'models.json');
  }

  /** A missing file is an empty state; an unreadable one too, since everything in it can be fetched again. */
  async load(): Promise<{ damaged: boolean }> {
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (thrown) {
      return { damaged: (thrown as NodeJS.ErrnoException).code !== 'ENOENT' };
    }
    try {
      const state = stateFile.parse(JSON.parse(text));
      for (const [key, value] of Object.entries(state.bindings)) this.#bindings.set(key, value);
      return { damaged: false };
    } catch {
      return { damaged: true };
    }
  }

  get(key: string): BindingState {
    return this.#bindings.get(key) ?? {};
  }

  async set(key: string, value: BindingState): Promise<void> {
    this.#bindings.set(key, value);
    const state = { format: 'mlflow-models/1', bindings: Object.fromEntries(this.#bindings) };
    const draft = `${this.#file}.new`;
    try {
      await mkdir(path.dirname(this.#file), { recursive: true });
      const file = await open(draft, 'w');
      try {
        await file.writeFile(`${JSON.stringify(state, undefined, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, this.#file);
    } catch (cause) {
      throw new SmEdgeError(
        'MLFLOW_STATE_UNWRITABLE',
        `cannot write ${this.#file}: ${(cause as Error).message}`,
        {
          cause,
          retryable: true,
          hint: 'is the disk full, or the folder not writable for the user of the daemon?',
        },
      );
    }
  }
}

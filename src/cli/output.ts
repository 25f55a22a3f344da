import type { Readable, Writable } from 'node:stream';
import { toSmEdgeError } from '../base/errors.js';
import { ConfigError } from '../config/faults.js';

/** Exit codes that outsiders rely on. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** What a command runs in. Commands write their answer to `out` and nothing else; progress and logs go to `err`. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Writable & { isTTY?: boolean; rows?: number; columns?: number };
  readonly err: Writable & { isTTY?: boolean };
  /** What is typed; absent where nobody can type. */
  readonly in?: Readable;
}

/** What was typed is wrong: also where the daemon said so. */
const USAGE_CODES: ReadonlySet<string> = new Set(['CONFIG_INVALID', 'USAGE', 'REQUEST_INVALID']);

/** Writes text; resolves once the stream has taken it, so that a pipe that reads slowly is not flooded. */
export function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** Prints a failure where a person looks for it, and gives the exit code that belongs to it. */
export async function reportFailure(context: CliContext, json: boolean, thrown: unknown): Promise<number> {
  const error = toSmEdgeError(thrown);
  if (json) {
    const faults = error instanceof ConfigError ? { faults: error.faults } : {};
    const { code, message, hint } = error;
    await write(context.out, `${JSON.stringify({ ok: false, error: { code, message, hint }, ...faults })}\n`);
  } else if (error instanceof ConfigError) {
    // Each fault starts its own line with file:line:column, which editors and terminals make a link of.
    const count = error.faults.length;
    const sum = count === 1 ? '1 fault' : `${count} faults`;
    await write(context.err, `${error.message}\nsm-edge: the config has ${sum}\n`);
  } else {
    const hint = error.hint === undefined ? '' : `\n    hint: ${error.hint}`;
    await write(context.err, `sm-edge: ${error.message}${hint}\n`);
  }
  return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failed;
}

/** A progress bar on a terminal; silent where nobody looks. */
export class Progress {
  readonly #stream: CliContext['err'];
  readonly #label: string;
  readonly #total: number;
  #shown = -1;

  constructor(context: CliContext, label: string, total: number) {
    this.#stream = context.err;
    this.#label = label;
    this.#total = Math.max(1, total);
  }

  update(done: number, what: string): void {
    const percent = Math.floor((100 * done) / this.#total);
    if (!this.#stream.isTTY || percent === this.#shown) return;
    this.#shown = percent;
    const filled = Math.round(percent / 4);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(25 - filled)}`;
    this.#stream.write(`\r\u001b[2K${this.#label} [${bar}] ${percent} %  ${what.slice(-40)}`);
  }

  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[2K');
  }
}

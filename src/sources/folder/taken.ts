import type { SourceMemory } from '../part.js';

const MEMORY_KEY = 'taken';
/** Files that are remembered at most, the newest. */
const MAX_REMEMBERED = 10_000;

/** Which files were taken, over restarts: by name, size and time of modification. */
export class TakenFiles {
  readonly #memory: SourceMemory | undefined;
  #known: Map<string, string>;

  constructor(memory: SourceMemory | undefined) {
    this.#memory = memory;
    this.#known = new Map(JSON.parse(memory?.read(MEMORY_KEY) ?? '[]') as [string, string][]);
  }

  has(name: string, version: string): boolean {
    return this.#known.get(name) === version;
  }

  add(name: string, version: string): void {
    this.#known.delete(name);
    this.#known.set(name, version);
    this.#save();
  }

  /** Forgets the files that are not there any more. */
  keepOnly(names: ReadonlySet<string>): void {
    const gone = [...this.#known.keys()].filter((name) => !names.has(name));
    if (gone.length === 0) return;
    for (const name of gone) this.#known.delete(name);
    this.#save();
  }

  #save(): void {
    if (this.#known.size > MAX_REMEMBERED)
      this.#known = new Map([...this.#known].slice(-Math.floor(MAX_REMEMBERED * 0.9)));
    this.#memory?.write(MEMORY_KEY, JSON.stringify([...this.#known]));
  }
}

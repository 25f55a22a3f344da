import type { SourceState, SourceStatus } from '../part.js';
import type { StatusKeeper } from '../status.js';

/** The state of a source from two sides: its link, and what comes over it. The worse of the two is what is told. */
export class Condition {
  readonly #keeper: StatusKeeper;
  readonly #troubles = new Map<string, string>();
  #link: { readonly state: SourceState; readonly reason: string };

  constructor(keeper: StatusKeeper) {
    this.#keeper = keeper;
    this.#link = keeper.status;
  }

  get status(): SourceStatus {
    return this.#keeper.status;
  }

  /** The state of the link. */
  set(state: SourceState, reason = ''): void {
    this.#link = { state, reason };
    this.#tell();
  }

  /** What is wrong although the link is good; undefined ends it. */
  trouble(kind: string, reason: string | undefined): void {
    if (this.#troubles.get(kind) === reason) return;
    if (reason === undefined) this.#troubles.delete(kind);
    else this.#troubles.set(kind, reason);
    this.#tell();
  }

  #tell(): void {
    const { state, reason } = this.#link;
    if (state !== 'good' || this.#troubles.size === 0) this.#keeper.set(state, reason);
    else this.#keeper.set('degraded', [...this.#troubles.values()].join('; '));
  }
}

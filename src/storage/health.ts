import type { Clock } from '../base/clock.js';
import type { PartHealth } from '../base/health.js';

/** What can be wrong with the store; several at once. */
export type StoreCondition = 'damage' | 'check' | 'budget' | 'disk' | 'memory' | 'clock';

export interface StoreTrouble {
  readonly condition: StoreCondition;
  /** Changes when somebody should hear of it again: `warn`, `shed`, `full`; the name of a damaged file. */
  readonly level: string;
  readonly state: 'degraded' | 'failed';
  /** One sentence for the technician. */
  readonly reason: string;
}

/** `began` also when the level changed. */
export type StoreChange = { readonly kind: 'began' | 'ended'; readonly trouble: StoreTrouble };

/** The health of the store: which troubles it has now, and since when. */
export class StoreHealth {
  readonly #clock: Clock;
  readonly #onChange: (change: StoreChange) => void;
  readonly #troubles = new Map<StoreCondition, StoreTrouble & { readonly sinceMs: number }>();
  #goodSinceMs: number;

  constructor(clock: Clock, onChange: (change: StoreChange) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#goodSinceMs = clock.nowMs();
  }

  set(trouble: StoreTrouble): void {
    const known = this.#troubles.get(trouble.condition);
    const sinceMs = known?.sinceMs ?? this.#clock.nowMs();
    this.#troubles.set(trouble.condition, { ...trouble, sinceMs });
    if (known?.level !== trouble.level) this.#onChange({ kind: 'began', trouble });
  }

  clear(condition: StoreCondition): void {
    const trouble = this.#troubles.get(condition);
    if (trouble === undefined) return;
    this.#troubles.delete(condition);
    this.#goodSinceMs = this.#clock.nowMs();
    this.#onChange({ kind: 'ended', trouble });
  }

  report(): PartHealth {
    const troubles = [...this.#troubles.values()];
    if (troubles.length === 0)
      return { part: 'storage', state: 'good', reason: '', sinceMs: this.#goodSinceMs };
    return {
      part: 'storage',
      state: troubles.some(({ state }) => state === 'failed') ? 'failed' : 'degraded',
      reason: troubles.map(({ reason }) => reason).join('; '),
      sinceMs: Math.min(...troubles.map(({ sinceMs }) => sinceMs)),
    };
  }
}

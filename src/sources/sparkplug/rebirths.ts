import type { Clock, Timer } from '../../base/clock.js';
import type { RebirthReason } from './host.js';

interface Wanted {
  readonly group: string;
  readonly node: string;
  readonly reason: RebirthReason;
}

export interface RebirthsOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Sends the request; false where it cannot be sent now. */
  send(group: string, node: string, reason: RebirthReason): boolean;
}

/**
 * Requests for rebirth, each node at most once in an interval: a node that is asked with every message would be
 * busy being born. What is asked too early waits its turn. Bounded by the number of nodes that the host follows.
 */
export class Rebirths {
  readonly #options: RebirthsOptions;
  readonly #askedMs = new Map<string, number>();
  readonly #wanted = new Map<string, Wanted>();
  #timer: Timer | undefined;

  constructor(options: RebirthsOptions) {
    this.#options = options;
  }

  ask(group: string, node: string, reason: RebirthReason): void {
    const { clock, intervalMs, send } = this.#options;
    const key = `${group}/${node}`;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#askedMs.get(key) ?? Number.NEGATIVE_INFINITY) >= intervalMs) {
      this.#wanted.delete(key);
      if (send(group, node, reason)) this.#askedMs.set(key, nowMs);
      return;
    }
    this.#wanted.set(key, { group, node, reason });
    this.#timer ??= clock.setTimer('sparkplug rebirth', intervalMs, () => {
      this.#timer = undefined;
      for (const wanted of [...this.#wanted.values()]) this.ask(wanted.group, wanted.node, wanted.reason);
    });
  }

  /** The node was born: nothing more is asked of it. */
  born(group: string, node: string): void {
    this.#wanted.delete(`${group}/${node}`);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wanted.clear();
  }
}

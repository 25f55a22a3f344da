/** Frames remembered for one unit: more than a line carries for it in the window. */
const KEPT = 64;

interface Recent {
  /** What was asked; undefined for a frame that nobody had asked for then. */
  readonly address: number | undefined;
  readonly pdu: Buffer;
  readonly atMs: number;
}

/**
 * The last frames of each unit on an RTU line. A second copy of an answer, if it comes while the next request of the
 * same shape is out, passes every check; but it is the same, byte for byte, as a frame for another address a moment
 * ago. Such an answer is asked for again.
 */
export class RecentAnswers {
  readonly #windowMs: number;
  readonly #recent = new Map<number, Recent[]>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Did the same frame come a moment ago, and not as an answer for this address? */
  resembles(unitId: number, pdu: Buffer, address: number, nowMs: number): boolean {
    return (this.#recent.get(unitId) ?? []).some(
      (one) => one.address !== address && nowMs - one.atMs < this.#windowMs && one.pdu.equals(pdu),
    );
  }

  add(unitId: number, pdu: Buffer, address: number | undefined, atMs: number): void {
    const recent = this.#recent.get(unitId) ?? [];
    if (recent.length === KEPT) recent.shift();
    recent.push({ address, pdu, atMs });
    this.#recent.set(unitId, recent);
  }
}

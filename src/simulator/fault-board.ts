/** First trace of a fault that grows, as a share of its full size. */
const FIRST_TRACE = 0.04;

export interface FaultCourse {
  /** Full size, 0 to 1; 1 is heavily damaged. */
  readonly severity: number;
  /** When it starts, seconds of the machine's own time. */
  readonly fromS: number;
  /** From the first trace to the full size, seconds; 0 is there at once. */
  readonly growthS: number;
}

/** What is wrong with one machine: each kind of fault with its course in time. It grows faster and faster. */
export class FaultBoard<K extends string> {
  readonly kinds: readonly K[];
  readonly #courses = new Map<K, FaultCourse>();

  constructor(kinds: readonly K[]) {
    this.kinds = kinds;
  }

  start(kind: K, course: FaultCourse): void {
    this.#courses.set(kind, course);
  }

  /** Without a kind the machine is as new. */
  clear(kind?: K): void {
    if (kind === undefined) this.#courses.clear();
    else this.#courses.delete(kind);
  }

  /** 0 (none) to 1. */
  severity(kind: K, timeS: number): number {
    const course = this.#courses.get(kind);
    if (course === undefined || timeS < course.fromS) return 0;
    if (course.growthS <= 0) return course.severity;
    const progress = Math.min(1, (timeS - course.fromS) / course.growthS);
    return course.severity * FIRST_TRACE ** (1 - progress);
  }

  /** What is there now. */
  list(timeS: number): { readonly kind: K; readonly severity: number }[] {
    return this.kinds
      .map((kind) => ({ kind, severity: this.severity(kind, timeS) }))
      .filter(({ severity }) => severity > 0);
  }
}

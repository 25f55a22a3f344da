/** Texts that many rows share, each sent once: the rows carry its place. */
export class Names {
  readonly #places = new Map<string, Map<string, number>>();
  readonly #pairs: [first: string, second: string][] = [];
  /** The place behind the last one that was asked for. */
  #next = 0;

  /** Place of a pair of texts. Rows come in the same order again and again, or many of one point: that is tried first. */
  place(first: string, second: string): number {
    const next = this.#next < this.#pairs.length ? this.#next : 0;
    const last = this.#next - 1;
    const place = this.#is(next, first, second)
      ? next
      : this.#is(last, first, second)
        ? last
        : this.#find(first, second);
    this.#next = place + 1;
    return place;
  }

  #is(place: number, first: string, second: string): boolean {
    const pair = this.#pairs[place];
    return pair !== undefined && pair[0] === first && pair[1] === second;
  }

  #find(first: string, second: string): number {
    let seconds = this.#places.get(first);
    if (seconds === undefined) {
      seconds = new Map();
      this.#places.set(first, seconds);
    }
    let place = seconds.get(second);
    if (place === undefined) {
      place = this.#pairs.push([first, second]) - 1;
      seconds.set(second, place);
    }
    return place;
  }

  /** One text in place of many: it crosses a thread as bytes. */
  finish(): string {
    return JSON.stringify(this.#pairs.flat());
  }
}

/** The pairs that `Names` collected. */
export function namePairs(text: string): (readonly [first: string, second: string])[] {
  const list = JSON.parse(text) as string[];
  return Array.from({ length: list.length / 2 }, (_, place) => [list[2 * place]!, list[2 * place + 1]!]);
}

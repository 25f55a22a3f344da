/**
 * What several sources of one gateway use together, such as the one connection that a device allows: made by the
 * first who asks for it, closed when the last one has given it back.
 */
export class SharedResources {
  readonly #held = new Map<string, { readonly value: unknown; users: number }>();

  /** The resource of that name; each call needs one `release`. */
  acquire<T>(key: string, create: () => T): T {
    const known = this.#held.get(key);
    if (known !== undefined) {
      known.users++;
      return known.value as T;
    }
    const value = create();
    this.#held.set(key, { value, users: 1 });
    return value;
  }

  /** Resolves when the resource is closed, where this was its last user, and at once where it was not. */
  async release<T>(key: string, value: T, close: (value: T) => Promise<void>): Promise<void> {
    const known = this.#held.get(key);
    if (known === undefined || known.value !== value || --known.users > 0) return;
    this.#held.delete(key);
    await close(value);
  }
}

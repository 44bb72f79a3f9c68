/** Ends of tasks as they are announced, which may be sooner than the answer to the submission. */
export class Ends {
  readonly #seen = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  note(id: string): void {
    const resolve = this.#waiting.get(id);
    if (resolve) resolve();
    else this.#seen.add(id);
    this.#waiting.delete(id);
  }

  of(id: string): Promise<void> {
    return this.#seen.delete(id) ? Promise.resolve() : new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

/** Letters, marks and digits of any script; apostrophes and hyphens inside a word belong to it. */
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*/gu;
/** What may be the beginning of a word that goes on in the next piece. */
const OPEN_END = /[\p{L}\p{M}\p{N}'’-]+$/u;
/** Different words that are counted: some 10 MB at worst. */
const MAX_DISTINCT = 100_000;
/** Longer ones are cut: a text without spaces is one word. In UTF-16 units. */
const MAX_WORD_LENGTH = 100;

/** Counts the words of a text that comes in pieces. Case makes no difference. */
export class WordCounts {
  readonly #counts = new Map<string, number>();
  #rest = '';
  #total = 0;
  #letters = 0;
  #longest = '';
  #isCapped = false;

  add(piece: string): void {
    const text = this.#rest + piece;
    // Only the end is looked at, or a long word would be looked at from each of its letters on.
    const open = OPEN_END.exec(text.slice(-MAX_WORD_LENGTH - 1))?.[0] ?? '';
    // What is longer than any word is not kept until its end.
    this.#rest = open.length <= MAX_WORD_LENGTH ? open : '';
    this.#count(this.#rest === '' ? text : text.slice(0, -this.#rest.length));
  }

  /** Counts what the last piece left open. */
  finish(): { total: number; letters: number; longest: string; distinct: number; isCapped: boolean } {
    this.#count(this.#rest);
    this.#rest = '';
    const { size: distinct } = this.#counts;
    return { total: this.#total, letters: this.#letters, longest: this.#longest, distinct, isCapped: this.#isCapped };
  }

  /** The most frequent ones, in lower case; of those that are as frequent, the alphabetically first. */
  top(count: number): { word: string; count: number }[] {
    return [...this.#counts]
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, count)
      .map(([word, n]) => ({ word, count: n }));
  }

  #count(text: string): void {
    for (const [word] of text.matchAll(WORD)) {
      this.#total++;
      this.#letters += word.length;
      if (word.length > this.#longest.length) this.#longest = word.slice(0, MAX_WORD_LENGTH);
      const key = word.slice(0, MAX_WORD_LENGTH).toLowerCase();
      const known = this.#counts.get(key);
      if (known !== undefined) this.#counts.set(key, known + 1);
      else if (this.#counts.size < MAX_DISTINCT) this.#counts.set(key, 1);
      else this.#isCapped = true;
    }
  }
}

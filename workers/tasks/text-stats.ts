import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { DoNotRetryError, defineTask, type TaskDefinition } from '../runtime/define-task.ts';
import { findFile } from './files-dir.ts';
import { WordCounts } from './word-counts.ts';

const MAX_TEXT_LENGTH = 200_000;

const Payload = z
  .object({
    text: z.string().max(MAX_TEXT_LENGTH).optional().describe('The text itself'),
    file: z.string().min(1).max(4_096).optional().describe('Or a path inside the folder FILES_DIR, of a file in UTF-8'),
    top: z.number().int().min(0).max(100).default(10).describe('How many of the most frequent words are named'),
  })
  .refine(({ text, file }) => (text === undefined) !== (file === undefined), 'give either "text" or "file"');

const Result = z.object({
  characters: z.number(),
  lines: z.number(),
  words: z.number(),
  distinctWords: z.number(),
  /** More different words were there than are counted. */
  isDistinctCapped: z.boolean(),
  longestWord: z.string(),
  averageWordLength: z.number(),
  topWords: z.array(z.object({ word: z.string(), count: z.number() })),
  /** At 230 words a minute. */
  readingMinutes: z.number(),
});

const WORDS_PER_MINUTE = 230;

/** @param filesDir the folder that it may read from; empty: none */
export const textStats = (filesDir: string): TaskDefinition =>
  defineTask({
    type: 'text.stats',
    payload: Payload,
    result: Result,
    handler: async ({ payload: { text, file, top }, signal }) => {
      const stats = new TextStats();
      if (file === undefined) stats.add(text ?? '');
      else await addFile(stats, await findFile(filesDir, file), signal);
      return stats.summary(top);
    },
  });

/** As a stream: a file may be larger than the memory. */
const addFile = async (stats: TextStats, path: string, signal: AbortSignal): Promise<void> => {
  // A byte order mark is no character, and bytes that are no UTF-8 say that this is no text.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of createReadStream(path, { signal })) stats.add(decoder.decode(chunk, { stream: true }));
    stats.add(decoder.decode());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error;
    throw new DoNotRetryError('the file is not text in UTF-8', { code: 'NOT_TEXT', cause: error });
  }
};

class TextStats {
  readonly #words = new WordCounts();
  #characters = 0;
  #lines = 0;
  #endsInLine = false;

  add(text: string): void {
    if (text === '') return;
    for (const character of text) {
      this.#characters++;
      if (character === '\n') this.#lines++;
    }
    this.#endsInLine = !text.endsWith('\n');
    this.#words.add(text);
  }

  summary(top: number): z.output<typeof Result> {
    const { total, letters, longest, distinct, isCapped } = this.#words.finish();
    return {
      characters: this.#characters,
      lines: this.#lines + (this.#endsInLine ? 1 : 0),
      words: total,
      distinctWords: distinct,
      isDistinctCapped: isCapped,
      longestWord: longest,
      averageWordLength: total === 0 ? 0 : Number((letters / total).toFixed(2)),
      topWords: this.#words.top(top),
      readingMinutes: Number((total / WORDS_PER_MINUTE).toFixed(1)),
    };
  }
}

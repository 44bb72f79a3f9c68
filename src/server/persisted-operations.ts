import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { badInput, TaskFlowError } from '../errors.ts';

const FileSchema = z.record(z.string(), z.string());

/** What a client sends instead of a document, as Apollo's clients and others do. */
const ExtensionSchema = z.object({ persistedQuery: z.object({ version: z.literal(1), sha256Hash: z.string() }) });

interface Params {
  query?: string | null | undefined;
  extensions?: unknown;
}

/** The only documents that run, by the SHA-256 of their text in hex digits. */
export class PersistedOperations {
  readonly #documents: ReadonlyMap<string, string>;

  constructor(documents: Readonly<Record<string, string>>) {
    this.#documents = new Map(Object.entries(documents));
  }

  /** @throws TaskFlowError BAD_USER_INPUT for a file that cannot be read, or whose hashes are not those of its documents */
  static load(file: string): PersistedOperations {
    const documents = readDocuments(file);
    for (const [hash, document] of Object.entries(documents)) {
      const right = createHash('sha256').update(document).digest('hex');
      if (hash !== right) throw new TaskFlowError('BAD_USER_INPUT', `${file}: ${hash} should be ${right}`);
    }
    return new PersistedOperations(documents);
  }

  /**
   * @returns the document that a request means
   * @throws TaskFlowError FORBIDDEN for a document of its own, BAD_USER_INPUT for a hash that is not registered
   */
  documentOf({ query, extensions }: Params): string {
    if (query) throw new TaskFlowError('FORBIDDEN', 'Only registered operations run here; send the hash of one.');
    const parsed = ExtensionSchema.safeParse(extensions);
    const field = 'extensions.persistedQuery.sha256Hash';
    if (!parsed.success) throw badInput(field, 'Only registered operations run here; send the hash of one.');
    const document = this.#documents.get(parsed.data.persistedQuery.sha256Hash);
    // These words are what clients look for.
    if (document === undefined) throw badInput(field, 'PersistedQueryNotFound');
    return document;
  }
}

const readDocuments = (file: string): Record<string, string> => {
  try {
    return FileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const message = `PERSISTED_OPERATIONS: ${file} is no JSON object of documents by their SHA-256`;
    throw new TaskFlowError('BAD_USER_INPUT', message, {}, { cause: error });
  }
};

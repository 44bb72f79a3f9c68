import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { z } from 'zod';
import { DoNotRetryError, defineTask, type TaskDefinition } from '../runtime/define-task.ts';
import { ColumnProfile, type ColumnSummary } from './column-profile.ts';
import { findFile } from './files-dir.ts';

export interface CsvProfile {
  file: string;
  bytes: number;
  /** Without the header; blank lines are not counted. */
  rows: number;
  /** Rows with more or fewer fields than the header. */
  raggedRows: number;
  columns: ColumnSummary[];
}

/** A quote that is never closed would otherwise take the rest of the file into memory. In characters. */
const MAX_RECORD_LENGTH = 1_000_000;
const MAX_COLUMNS = 1_000;
const MAX_NAME_LENGTH = 200;
/** For one column, and for all together: about 100 MB at worst. */
const MAX_DISTINCT = 10_000;
const MAX_DISTINCT_IN_ALL = 1_000_000;

const Payload = z.object({ file: z.string().min(1).max(4_096).describe('A path inside the folder FILES_DIR') });

/** @param filesDir the folder that it may read from; empty: none, and each task of this type fails with a clear error */
export const csvProfile = (filesDir: string): TaskDefinition =>
  defineTask({
    type: 'csv.profile',
    payload: Payload,
    handler: async ({ payload, signal }) => profileCsv(await findFile(filesDir, payload.file), payload.file, signal),
  });

/**
 * Reads a CSV file once, as a stream, and describes its columns. The first line names them.
 *
 * @param name what the result and errors call the file
 * @throws DoNotRetryError NOT_CSV, MALFORMED_CSV or TOO_MANY_COLUMNS; the signal's reason when it is aborted
 */
const profileCsv = async (path: string, name: string, signal: AbortSignal): Promise<CsvProfile> => {
  const source = createReadStream(path);
  const table = new TableProfile();
  const parser = parse({
    bom: true,
    relaxColumnCount: true,
    relaxQuotes: true,
    skipEmptyLines: true,
    maxRecordSize: MAX_RECORD_LENGTH,
  });
  try {
    await pipeline(source, refuseBinary, parser, (records) => table.addAll(records), { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CsvError) {
      throw new DoNotRetryError(`"${name}" is not well-formed: ${error.message}`, {
        code: 'MALFORMED_CSV',
        cause: error,
      });
    }
    throw error;
  }
  return { file: name, bytes: source.bytesRead, ...table.summary() };
};

class TableProfile {
  #columns: ColumnProfile[] | undefined;
  #rows = 0;
  #raggedRows = 0;

  async addAll(records: AsyncIterable<string[]>): Promise<void> {
    for await (const record of records) {
      if (this.#columns) this.#add(this.#columns, record);
      else this.#columns = openColumns(record);
    }
  }

  summary(): Pick<CsvProfile, 'rows' | 'raggedRows' | 'columns'> {
    const columns = (this.#columns ?? []).map((column) => column.summary());
    return { rows: this.#rows, raggedRows: this.#raggedRows, columns };
  }

  #add(columns: readonly ColumnProfile[], record: readonly string[]): void {
    this.#rows++;
    if (record.length !== columns.length) this.#raggedRows++;
    for (let i = 0; i < columns.length; i++) columns[i]?.add(record[i]);
  }
}

const openColumns = (header: readonly string[]): ColumnProfile[] => {
  if (header.length > MAX_COLUMNS) {
    throw new DoNotRetryError(`it has ${header.length} columns; at most ${MAX_COLUMNS} are profiled`, {
      code: 'TOO_MANY_COLUMNS',
    });
  }
  const maxDistinct = Math.min(MAX_DISTINCT, Math.floor(MAX_DISTINCT_IN_ALL / header.length));
  return header.map(
    (name, i) => new ColumnProfile(name.trim().slice(0, MAX_NAME_LENGTH) || `column ${i + 1}`, maxDistinct),
  );
};

/** Passes a file on as it is, and refuses one that is no text. */
const refuseBinary = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isUtf16 = false;
  let isFirst = true;
  for await (const chunk of chunks) {
    // Its byte order mark; every other byte of UTF-16 may be zero.
    if (isFirst) isUtf16 = chunk[0] === 0xff && chunk[1] === 0xfe;
    isFirst = false;
    if (!isUtf16 && chunk.includes(0)) {
      throw new DoNotRetryError('it is a binary file, not a CSV file', { code: 'NOT_CSV' });
    }
    yield chunk;
  }
};

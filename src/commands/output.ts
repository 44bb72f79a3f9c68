import { stripVTControlCharacters, styleText } from 'node:util';
import { plain, toJsonLine } from './text.ts';

type Style = Parameters<typeof styleText>[0];

const STATUS_STYLES: Readonly<Record<string, Style>> = {
  COMPLETED: 'green',
  FAILED: 'red',
  CANCELLED: 'yellow',
  PROCESSING: 'cyan',
  RUNNING: 'cyan',
};

/** A column of a table: its heading and what stands in it for a row. */
export interface Column<Row> {
  head: string;
  value: (row: Row) => string | number | null;
  align?: 'left' | 'right';
  /** How it looks on a terminal. */
  style?: (row: Row) => Style | undefined;
}

/** Where a command's results go. Everything else, hints and questions, goes to stderr. */
export class Output {
  /** Results as JSON, one value a line. */
  readonly isJson: boolean;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** Does somebody see it, in a terminal? */
  get isTerminal(): boolean {
    return process.stdout.isTTY === true && !this.isJson;
  }

  /** Writes a line for people; nothing with --json. */
  line(text: string): void {
    if (!this.isJson) process.stdout.write(`${text}\n`);
  }

  /** Writes a value with --json; nothing without. */
  json(value: unknown): void {
    if (this.isJson) process.stdout.write(`${toJsonLine(value)}\n`);
  }

  /** What to do next, to somebody who sits before it. */
  hint(text: string): void {
    if (this.isTerminal && process.stderr.isTTY) process.stderr.write(`${this.dim(text)}\n`);
  }

  /** A remark that is no result. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  dim(text: string): string {
    return styled('dim', text);
  }

  bold(text: string): string {
    return styled('bold', text);
  }

  /** The name of a status in its colour. */
  status(status: string): string {
    return this.inStyleOf(status, status);
  }

  /** A text in the colour of a status. */
  inStyleOf(status: string, text: string): string {
    return styled(statusStyle(status), text);
  }

  /**
   * Writes rows as a table, or each as a line of JSON.
   *
   * @param empty what to say where there is none
   */
  async table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string): Promise<void> {
    if (this.isJson) {
      for (const row of rows) this.json(row);
    } else if (rows.length === 0) {
      this.note(empty);
    } else {
      this.line(await renderTable(rows, columns));
    }
    // Whoever reads slowly shall not make this process keep everything.
    await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  }

  /** Writes names and values below each other; values that are null or empty are left out. */
  fields(fields: readonly (readonly [name: string, value: string | number | null | undefined])[]): void {
    const given = fields.filter(([, value]) => value !== null && value !== undefined && value !== '');
    const width = Math.max(...given.map(([name]) => name.length));
    for (const [name, value] of given) this.line(`${this.dim(name.padEnd(width))}  ${value}`);
  }
}

/** The style of a status's name. */
export const statusStyle = (status: string): Style | undefined => STATUS_STYLES[status];

/** With colours where stdout is a terminal that has some, and NO_COLOR is not set. */
const styled = (style: Style | undefined, text: string): string => (style ? styleText(style, text) : text);

const GAP = 2;

/** A table without borders. On a terminal, its last column is cut off where the line ends. */
const renderTable = async <Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Promise<string> => {
  const { default: Table } = await import('cli-table3');
  const none = Object.fromEntries(
    ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
      .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
      .map((name) => [name, '']),
  );
  const cells = rows.map((row) =>
    columns.map(({ value, style }) => styled(style?.(row), plain(String(value(row) ?? '')))),
  );
  const table = new Table({
    head: columns.map(({ head }) => styled('dim', head)),
    chars: { ...none, middle: ' '.repeat(GAP) },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: columns.map(({ align }) => align ?? 'left'),
    colWidths: [...Array<null>(columns.length - 1).fill(null), widthOfLast(columns, cells)],
  });
  table.push(...cells);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
};

const widthOfLast = (columns: readonly { head: string }[], cells: readonly string[][]): number | null => {
  const available = process.stdout.isTTY ? process.stdout.columns : undefined;
  if (!available) return null;
  const widths = columns.map(({ head }, index) =>
    Math.max(head.length, ...cells.map((row) => stripVTControlCharacters(row[index] ?? '').length)),
  );
  const others = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP, 0);
  const isWide = others + (widths.at(-1) ?? 0) > available;
  return isWide ? Math.max(MIN_LAST_WIDTH, available - others) : null;
};

/** On a terminal that is too narrow for a table lines wrap, as they would anyway. */
const MIN_LAST_WIDTH = 12;

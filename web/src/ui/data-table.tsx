import { type ColumnDef, createColumnHelper, type RowData, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer, type VirtualItem } from '@tanstack/react-virtual';
import { type CSSProperties, type ReactNode, useEffect, useEffectEvent, useMemo, useRef } from 'react';
import { classes } from './classes.ts';
import styles from './data-table.module.css';
import { useActiveRow } from './use-active-row.ts';
import { useIsNarrow } from './use-is-narrow.ts';

/** Rows come in the order in which they are shown: the API sorts and filters. */
const features = tableFeatures({});
type Features = typeof features;

const ROW_PX = 36;
const CARD_PX = 92;
const OVERSCAN = 12;
/** So many rows before the last one, further ones are asked for. */
const AHEAD = 30;
const DEFAULT_WIDTH = 'minmax(80px, 1fr)';

/** TanStack's columns; `meta.width` is as in grid-template-columns. */
export type Column<Row extends RowData> = ColumnDef<Features, Row, unknown>;

/** `const column = columnsOf<Task>()`, then `column.display({ id, header, cell: ({ row }) => row.original… })`. */
export const columnsOf = <Row extends RowData>() => createColumnHelper<Features, Row>();

export interface DataTableProps<Row extends RowData> {
  /** Read out, and shown nowhere. */
  label: string;
  /** Keep them outside of the component, or memoize them. */
  columns: Column<Row>[];
  rows: readonly Row[];
  rowId: (row: Row) => string;
  /** Enter, or a press on the row. Put a link into a cell as well: it opens in other tabs, too. */
  onOpen?: (row: Row) => void;
  selected?: ReadonlySet<string>;
  /** Space or x. With Shift, and arrows with Shift: all from `from` to `row` are to be selected. */
  onToggle?: (row: Row, from?: Row) => void;
  /** The end of the rows comes into sight: load more of them. */
  onEndReached?: () => void;
  /** Instead of the table, when there are no rows. */
  empty?: ReactNode;
  /** Below that it scrolls sideways, in px. Default: 720. */
  leastWidth?: number;
  /** What stands for a row on a phone, where there is no place for columns: three lines. Default: it scrolls sideways. */
  card?: (row: Row) => ReactNode;
}

/**
 * A table of any number of rows, of which those in sight are in the page. One row can be reached by Tab; arrows, j and k,
 * Page Up and Down, Home and End move on, Enter opens, Space and x select.
 */
export const DataTable = <Row extends RowData>(props: DataTableProps<Row>) => {
  const isNarrow = useIsNarrow() && props.card !== undefined;
  if (props.rows.length === 0 && props.empty !== undefined) return props.empty;
  // Rows of another height: all is measured anew.
  return <Grid key={String(isNarrow)} {...props} isNarrow={isNarrow} />;
};

const Grid = <Row extends RowData>({ isNarrow, ...props }: DataTableProps<Row> & { isNarrow: boolean }) => {
  const { label, rows, onEndReached, leastWidth = 720, card } = props;
  const cards = useMemo(() => card && [cardColumn(label, card)], [label, card]);
  const columns = isNarrow && cards ? cards : props.columns;
  const rowPx = isNarrow ? CARD_PX : ROW_PX;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: OVERSCAN,
    scrollPaddingStart: isNarrow ? 0 : ROW_PX,
  });
  const activeRow = useActiveRow(props, scroller, (index) => virtualizer.scrollToIndex(index));
  const items = virtualizer.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  const reachEnd = useEffectEvent(() => onEndReached?.());
  useEffect(() => {
    if (rows.length > 0 && lastShown >= rows.length - AHEAD) reachEnd();
  }, [lastShown, rows.length]);
  const style = {
    '--columns': columns.map(({ meta }) => (meta as { width?: string } | undefined)?.width ?? DEFAULT_WIDTH).join(' '),
    '--least-width': `${isNarrow ? 0 : leastWidth}px`,
    '--row': `${rowPx}px`,
  };
  return (
    <div ref={scroller} className={styles.scroller} style={style as CSSProperties}>
      <div
        role="grid"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        aria-multiselectable={props.selected && true}
        className={classes(styles.table, isNarrow && styles.cards)}
        onKeyDown={activeRow.onKeyDown}
      >
        <Rows
          {...props}
          columns={columns}
          rowPx={rowPx}
          items={items}
          height={virtualizer.getTotalSize()}
          activeRow={activeRow}
        />
      </div>
    </div>
  );
};

const cardColumn = <Row extends RowData>(label: string, card: (row: Row) => ReactNode): Column<Row> =>
  columnsOf<Row>().display({ id: 'card', header: label, cell: ({ row }) => card(row.original) });

interface RowsProps<Row extends RowData> extends DataTableProps<Row> {
  rowPx: number;
  items: VirtualItem[];
  height: number;
  activeRow: { index: number; activate: (index: number) => void };
}

/** The table knows the rows in sight only: a hundred thousand of them cost no more than fifty. */
const Rows = <Row extends RowData>(props: RowsProps<Row>) => {
  const { columns, rows, rowId, rowPx, items, height, activeRow, selected, onOpen } = props;
  const first = items[0]?.index ?? 0;
  const end = (items.at(-1)?.index ?? -1) + 1;
  const data = useMemo(() => rows.slice(first, end), [rows, first, end]);
  const table = useTable({ features, columns, data, getRowId: rowId });
  const models = table.getRowModel().rows;
  return (
    <>
      {table.getHeaderGroups().map((group) => (
        <div key={group.id} role="row" aria-rowindex={1} className={styles.head}>
          {group.headers.map((header) => (
            <div key={header.id} role="columnheader" className={styles.cell}>
              <table.FlexRender header={header} />
            </div>
          ))}
        </div>
      ))}
      <div role="rowgroup" className={styles.body} style={{ height }}>
        {models.map((row, offset) => {
          const index = first + offset;
          return (
            <div
              key={row.id}
              role="row"
              aria-rowindex={index + 2}
              aria-selected={selected?.has(row.id)}
              data-index={index}
              tabIndex={index === activeRow.index ? 0 : -1}
              className={classes(styles.row, onOpen && styles.openable)}
              style={{ transform: `translateY(${index * rowPx}px)` }}
              onFocus={() => activeRow.activate(index)}
              onClick={({ target }) => !isControl(target) && onOpen?.(row.original)}
            >
              {row.getAllCells().map((cell) => (
                <div key={cell.id} role="gridcell" className={styles.cell}>
                  <table.FlexRender cell={cell} />
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </>
  );
};

/** What does something by itself when it is pressed. */
const isControl = (target: EventTarget): boolean =>
  (target as Element).closest('a, button, input, select, label') !== null;

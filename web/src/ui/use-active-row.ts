import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from 'react';

interface ActiveRowProps<Row> {
  rows: readonly Row[];
  onOpen?: (row: Row) => void;
  onToggle?: (row: Row, from?: Row) => void;
}

const PAGE = 15;

/** How far a key moves, among `count` rows. */
const MOVES: Record<string, (index: number, count: number) => number> = {
  ArrowDown: (index) => index + 1,
  ArrowUp: (index) => index - 1,
  j: (index) => index + 1,
  k: (index) => index - 1,
  PageDown: (index) => index + PAGE,
  PageUp: (index) => index - PAGE,
  Home: () => 0,
  End: (_index, count) => count - 1,
};

/** x only counts while a row has the focus, as WCAG 2.1.4 asks. */
const SELECTING = new Set([' ', 'x', 'X']);

/** Which row of a virtual grid has the focus, and what its keys do. */
export const useActiveRow = <Row>(
  { rows, onOpen, onToggle }: ActiveRowProps<Row>,
  scroller: RefObject<HTMLElement | null>,
  scrollTo: (index: number) => void,
) => {
  const [index, activate] = useState(0);
  /** A row that was moved to, which may be in the page only after it was scrolled to. */
  const wanted = useRef<number | undefined>(undefined);
  /** Where a range begins: the row that Shift was first pressed on. */
  const anchor = useRef<Row | undefined>(undefined);
  useEffect(() => {
    if (wanted.current === undefined) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
    if (!row) return;
    wanted.current = undefined;
    row.focus({ preventScroll: true });
  });
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[index];
    // Keys of the buttons and links in a cell are theirs.
    if (!row || (event.target as Element).getAttribute('role') !== 'row') return;
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey) return;
    const move = MOVES[key.length === 1 ? key.toLowerCase() : key];
    if (move) {
      const next = Math.min(Math.max(move(index, rows.length), 0), rows.length - 1);
      wanted.current = next;
      activate(next);
      scrollTo(next);
      const reached = rows[next];
      anchor.current = shiftKey ? (anchor.current ?? row) : undefined;
      if (reached && anchor.current) onToggle?.(reached, anchor.current);
    } else if (key === 'Enter' && onOpen) onOpen(row);
    else if (SELECTING.has(key) && onToggle) {
      onToggle(row, shiftKey ? anchor.current : undefined);
      anchor.current = row;
    } else return;
    event.preventDefault();
  };
  // When rows went away, the last one can still be reached.
  return { index: Math.min(index, Math.max(rows.length - 1, 0)), activate, onKeyDown };
};

import type { ReactNode } from 'react';
import styles from './plain-table.module.css';

interface PlainTableProps {
  /** Read out. */
  label: string;
  columns: readonly string[];
  /** Rows: `<tr>` with `<td>`, the first of them a `<th scope="row">` where it names the row. */
  children: ReactNode;
}

/** A table of some rows, all of which are in the page. `DataTable` is for many. */
export const PlainTable = ({ label, columns, children }: PlainTableProps) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: on a phone it scrolls, also where nothing in it takes the focus
  <div className={styles.scroller} role="group" aria-label={label} tabIndex={0}>
    <table className={styles.table} aria-label={label}>
      <thead>
        <tr>
          {columns.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  </div>
);

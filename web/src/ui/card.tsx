import type { ReactNode } from 'react';
import styles from './card.module.css';

interface CardProps {
  title: ReactNode;
  /** At the end of the first line. */
  aside?: ReactNode;
  /** Two of them: a table's card has three lines. */
  lines: readonly [ReactNode, ReactNode];
}

/** A row of a table on a phone. */
export const Card = ({ title, aside, lines: [second, third] }: CardProps) => (
  <div className={styles.card}>
    <div className={styles.first}>
      <span className={styles.title}>{title}</span>
      {aside}
    </div>
    <div className={styles.line}>{second}</div>
    <div className={styles.line}>{third}</div>
  </div>
);

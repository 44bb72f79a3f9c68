import { Link, type LinkProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import styles from './tiles.module.css';

/** Figures beside each other. */
export const Tiles = ({ children }: { children: ReactNode }) => <dl className={styles.tiles}>{children}</dl>;

interface TileProps {
  name: string;
  /** A number gets its thousands apart. */
  value: number | string;
  unit?: string;
  /** Where more about it is. */
  link?: LinkProps;
}

export const Tile = ({ name, value, unit, link }: TileProps) => (
  <div className={styles.tile}>
    <dt className={styles.name}>{link ? <Link {...link}>{name}</Link> : name}</dt>
    <dd className={styles.value}>
      {typeof value === 'number' ? value.toLocaleString('en') : value}
      {unit && <span className={styles.unit}>{unit}</span>}
    </dd>
  </div>
);

import styles from './load.module.css';

interface LoadProps {
  /** Read out: "Running tasks". */
  label: string;
  value: number;
  max: number;
}

/** How full something is, as a bar and in numbers. */
export const Load = ({ label, value, max }: LoadProps) => (
  <span className={styles.load}>
    <span
      role="meter"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={Math.max(max, value)}
      className={styles.track}
    >
      <span
        className={styles.fill}
        style={{ display: 'block', width: `${max > 0 ? Math.min((value / max) * 100, 100) : 0}%` }}
      />
    </span>
    {value} / {max}
  </span>
);

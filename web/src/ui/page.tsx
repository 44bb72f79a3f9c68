import { type ReactNode, useEffect } from 'react';
import { classes } from './classes.ts';
import styles from './page.module.css';

interface PageProps {
  /** Also the title of the tab. */
  title: string;
  /** What stands there instead of the title's words, as an id with a copy button. */
  heading?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page with its only h1, which gets the focus when somebody came here by a link. */
export const Page = ({ title, heading, actions, children }: PageProps) => {
  useEffect(() => {
    document.title = `${title} · TaskFlow`;
  }, [title]);
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <h1 tabIndex={-1}>{heading ?? title}</h1>
        {actions && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
};

interface PanelProps {
  title?: string;
  actions?: ReactNode;
  /** For what fills it to its edges, as tables do. Default: false. */
  isFlush?: boolean;
  children: ReactNode;
}

/** A part of a page. */
export const Panel = ({ title, actions, isFlush = false, children }: PanelProps) => (
  <section className={styles.panel} aria-label={title}>
    {title && (
      <div className={styles.panelHeader}>
        <h2>{title}</h2>
        {actions && <div className={styles.actions}>{actions}</div>}
      </div>
    )}
    <div className={classes(!isFlush && styles.panelBody)}>{children}</div>
  </section>
);

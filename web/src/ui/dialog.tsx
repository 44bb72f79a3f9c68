import { type ReactNode, useEffect, useId, useRef } from 'react';
import { IconButton } from './button.tsx';
import styles from './dialog.module.css';

interface DialogProps {
  title: string;
  /** A press beside it does not close it: for what cannot be shown again. Default: false. */
  isSticky?: boolean;
  onClose: () => void;
  children: ReactNode;
}

/**
 * A modal dialog, for as long as it is rendered. The browser's own: it keeps the focus inside, closes with Escape, and gives
 * the focus back to what had it.
 */
export const Dialog = ({ title, isSticky = false, onClose, children }: DialogProps) => {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog
      ref={ref}
      className={styles.dialog}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={({ target, currentTarget }) => !isSticky && target === currentTarget && onClose()}
    >
      <div className={styles.header}>
        <h2 id={titleId}>{title}</h2>
        <IconButton icon="close" label="Close" kind="quiet" onClick={onClose} />
      </div>
      <div className={styles.body}>{children}</div>
    </dialog>
  );
};

/** The buttons at the end of a dialog, the main one last. */
export const DialogActions = ({ children }: { children: ReactNode }) => (
  <div className={styles.actions}>{children}</div>
);

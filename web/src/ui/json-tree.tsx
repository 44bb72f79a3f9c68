import { useState } from 'react';
import { CopyButton } from './copy-button.tsx';
import styles from './json-tree.module.css';

/** Of a list or an object, so many are shown at first: a large one does not freeze the page. */
const PAGE = 100;
/** How deep it is open at first. */
const OPEN_DEPTH = 2;

/** Any JSON value, foldable; with a button that copies it. */
export const JsonTree = ({ value, label = 'Copy the JSON' }: { value: unknown; label?: string }) => (
  <div className={styles.tree}>
    <CopyButton text={JSON.stringify(value, null, 2)} label={label} hasWords />
    <Node value={value} depth={0} />
  </div>
);

const Node = ({ name, value, depth }: { name?: string | undefined; value: unknown; depth: number }) => {
  const [isOpen, setIsOpen] = useState(depth < OPEN_DEPTH);
  if (value === null || typeof value !== 'object') {
    return (
      <div className={styles.row}>
        <Name name={name} />
        <Leaf value={value} />
      </div>
    );
  }
  const entries = Object.entries(value);
  return (
    <details className={styles.node} open={isOpen} onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
      <summary>
        <Name name={name} />
        <span className="muted">{Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`}</span>
      </summary>
      {isOpen && <Children entries={entries} depth={depth + 1} />}
    </details>
  );
};

const Children = ({ entries, depth }: { entries: [string, unknown][]; depth: number }) => {
  const [count, setCount] = useState(PAGE);
  return (
    <div className={styles.children}>
      {entries.slice(0, count).map(([name, value]) => (
        <Node key={name} name={name} value={value} depth={depth} />
      ))}
      {entries.length > count && (
        <button type="button" onClick={() => setCount(count + PAGE)}>
          {Math.min(PAGE, entries.length - count)} more of {entries.length}
        </button>
      )}
    </div>
  );
};

const Name = ({ name }: { name: string | undefined }) =>
  name === undefined ? null : <span className={styles.key}>{name}: </span>;

const Leaf = ({ value }: { value: unknown }) => {
  if (typeof value === 'string') return <span className={styles.string}>{JSON.stringify(value)}</span>;
  return <span className={typeof value === 'number' ? styles.number : styles.other}>{String(value)}</span>;
};

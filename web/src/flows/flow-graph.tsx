import { Link } from '@tanstack/react-router';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import { Loading } from '../ui/states.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import styles from './flow-graph.module.css';
import type { FlowTask } from './flow-tasks.ts';
import { type FlowLayout, layoutFlow, NODE } from './layout.ts';
import { neighbourOf } from './neighbours.ts';

/**
 * A flow as a graph, from left to right. One task can be reached by Tab; arrows go on to those that wait for it, back to those
 * that it waits for, and up and down among those beside it; Enter opens its page.
 */
export const FlowGraph = ({ tasks }: { tasks: readonly FlowTask[] }) => {
  const layout = useLayout(tasks);
  const graph = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(tasks[0]?.name);
  if (!layout) return <Loading />;
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = neighbourOf(layout, active ?? '', event.key);
    if (next === undefined) return;
    event.preventDefault();
    setActive(next);
    graph.current?.querySelector<HTMLElement>(`[data-name="${CSS.escape(next)}"]`)?.focus();
  };
  return (
    <div className={styles.scroller}>
      <div
        ref={graph}
        role="group"
        aria-label="Graph of the flow"
        className={styles.graph}
        style={{ width: layout.width, height: layout.height }}
        onKeyDown={onKeyDown}
      >
        <Edges layout={layout} tasks={tasks} />
        {tasks.map((task) => (
          <Node
            key={task.name}
            task={task}
            place={layout.places.get(task.name) ?? { x: 0, y: 0 }}
            isActive={task.name === active}
            onFocus={() => setActive(task.name)}
          />
        ))}
      </div>
    </div>
  );
};

/** Only when another flow is shown; not whenever a task goes on. */
const useLayout = (tasks: readonly FlowTask[]): FlowLayout | undefined => {
  const shape = useMemo(() => JSON.stringify(tasks.map(({ name, dependsOn }) => ({ name, dependsOn }))), [tasks]);
  const [layout, setLayout] = useState<FlowLayout>();
  useEffect(() => {
    let isGone = false;
    void layoutFlow(JSON.parse(shape)).then((next) => !isGone && setLayout(next));
    return () => {
      isGone = true;
    };
  }, [shape]);
  return layout;
};

const Edges = ({ layout, tasks }: { layout: FlowLayout; tasks: readonly FlowTask[] }) => {
  const statuses = new Map(tasks.map(({ name, status }) => [name, status]));
  return (
    <svg className={styles.edges} width={layout.width} height={layout.height} aria-hidden="true">
      {layout.edges.map(({ from, to, path }) => (
        <path key={`${from} ${to}`} d={path} data-status={statuses.get(from)} />
      ))}
    </svg>
  );
};

interface NodeProps {
  task: FlowTask;
  place: { x: number; y: number };
  isActive: boolean;
  onFocus: () => void;
}

const Node = ({ task: { name, id, status }, place, isActive, onFocus }: NodeProps) => {
  const shared = {
    className: styles.node,
    'data-name': name,
    'data-status': status,
    style: { ...NODE, transform: `translate(${place.x}px, ${place.y}px)` },
    tabIndex: isActive ? 0 : -1,
    onFocus,
  };
  if (id === undefined || status === undefined) {
    return (
      <span {...shared}>
        <span className={styles.name}>{name}</span> <span className="muted">No longer kept</span>
      </span>
    );
  }
  return (
    <Link {...shared} to="/tasks/$id" params={{ id }} preload={false}>
      <span className={styles.name}>{name}</span> <StatusBadge status={status} />
    </Link>
  );
};

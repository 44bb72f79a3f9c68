import { type UIEvent, useEffect, useRef, useState } from 'react';
import { useBatches } from '../live/use-batches.ts';
import { useFeed } from '../live/use-feed.ts';
import { Button } from '../ui/button.tsx';
import { classes } from '../ui/classes.ts';
import { Panel } from '../ui/page.tsx';
import { ErrorState, Loading } from '../ui/states.tsx';
import { exactTime } from '../ui/time.tsx';
import { type LogLineFragment, TaskLogLinesDocument } from './task.generated.ts';
import styles from './task-logs.module.css';
import { type TaskLogLines, useTaskLogs } from './use-task-logs.ts';

/** So near to its end, in px, the view follows. */
const NEAR_PX = 24;

interface TaskLogsProps {
  id: string;
  /** How often it was put back: its lines end with its end, and go on when it is retried. */
  retries: number;
}

/** What a task's handlers say. It follows new lines until somebody scrolls up. */
export const TaskLogs = ({ id, retries }: TaskLogsProps) => {
  const logs = useTaskLogs(id);
  const [isFollowing, setIsFollowing] = useState(true);
  const last = logs.lines?.at(-1)?.id;
  return (
    <Panel
      title="Logs"
      isFlush
      actions={
        !isFollowing && (
          <Button isSmall icon="play" onClick={() => setIsFollowing(true)}>
            Follow
          </Button>
        )
      }
    >
      {logs.error && <ErrorState error={logs.error} onRetry={logs.loadEarlier} />}
      {!logs.lines && !logs.error && <Loading />}
      {logs.lines && <Feed key={retries} id={id} after={last ?? null} onLines={logs.add} />}
      {logs.lines?.length === 0 && <p className={styles.none}>Nothing was said yet. What handlers log appears here.</p>}
      {logs.lines && logs.lines.length > 0 && (
        <Lines logs={logs} lines={logs.lines} isFollowing={isFollowing} onFollow={setIsFollowing} />
      )}
    </Panel>
  );
};

interface FeedProps {
  id: string;
  /** The last line that is there. */
  after: string | null;
  onLines: TaskLogLines['add'];
}

/** New lines, until the task ends. */
const Feed = ({ id, after, onLines }: FeedProps) => {
  const [afterId] = useState(after);
  const take = useBatches(onLines);
  useFeed(TaskLogLinesDocument, { id, afterId }, { onData: ({ taskLogs }) => take(taskLogs) });
  return null;
};

interface LinesProps {
  logs: TaskLogLines;
  lines: readonly LogLineFragment[];
  isFollowing: boolean;
  onFollow: (isFollowing: boolean) => void;
}

const Lines = ({ logs, lines, isFollowing, onFollow }: LinesProps) => {
  const box = useRef<HTMLDivElement>(null);
  const lastId = lines.at(-1)?.id;
  const lastTop = useRef(0);
  // Known at once: an effect of a line from before somebody scrolled up would take the step back.
  const follows = useRef(isFollowing);
  useEffect(() => {
    follows.current = isFollowing;
  }, [isFollowing]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it also runs when somebody wants to follow again
  useEffect(() => {
    const { current } = box;
    if (!follows.current || !current || !lastId) return;
    current.scrollTop = current.scrollHeight;
    lastTop.current = current.scrollTop;
  }, [isFollowing, lastId]);
  const follow = (wanted: boolean): void => {
    follows.current = wanted;
    onFollow(wanted);
  };
  const onScroll = ({ currentTarget: { scrollTop, scrollHeight, clientHeight } }: UIEvent): void => {
    // The first step upwards counts, however small: otherwise the next line takes it back.
    if (scrollTop < lastTop.current) follow(false);
    else if (scrollHeight - scrollTop - clientHeight < NEAR_PX) follow(true);
    lastTop.current = scrollTop;
  };
  return (
    <div
      ref={box}
      role="log"
      aria-label="Log lines"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      className={styles.lines}
      onScroll={onScroll}
    >
      {logs.hasEarlier && (
        <Button isSmall kind="quiet" onClick={logs.loadEarlier}>
          Earlier lines
        </Button>
      )}
      {lines.map((line) => (
        <Line key={line.id} line={line} />
      ))}
    </div>
  );
};

const Line = ({ line: { at, attempt, level, message, fields } }: { line: LogLineFragment }) => (
  <div className={styles.line}>
    <time dateTime={at} title={exactTime(at)} className={styles.time}>
      {at.slice(11, 23)}
    </time>
    <span className={classes(styles.level, styles[level])}>{level}</span>
    <span className={styles.message}>
      {message}
      {fields !== null && fields !== undefined && <span className={styles.fields}> {JSON.stringify(fields)}</span>}
    </span>
    <span className={styles.attempt} title={`Attempt ${attempt}`}>
      #{attempt}
    </span>
  </div>
);

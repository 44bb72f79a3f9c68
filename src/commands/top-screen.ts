import { stripVTControlCharacters, styleText } from 'node:util';
import { type QueueRow, queueState, type WorkerRow } from './queues.ts';
import { age, count, plain } from './text.ts';

/** What the full-screen view shows. */
export interface TopState {
  url: string;
  queues: readonly QueueRow[];
  workers: readonly WorkerRow[];
  /** The newest last. */
  changes: readonly { at: string; status: string; type: string; id: string }[];
  /** Tasks that ended in the last ten seconds, a second. */
  endedPerSecond: number;
  isConnected: boolean;
}

/** The view as lines for a terminal of this size: never more, and never wider. */
export const renderTop = (state: TopState, columns: number, rows: number, now = new Date()): string[] => {
  const { queues, workers } = state;
  const sum = (pick: (counts: QueueRow['counts']) => number): string =>
    count(queues.reduce((total, { counts }) => total + pick(counts), 0));
  const capacity = workers.reduce((total, { concurrency }) => total + concurrency, 0);
  const running = workers.reduce((total, worker) => total + worker.running, 0);
  const lost = state.isConnected ? '' : styleText('red', '  connection lost; trying again');
  const head = [
    `${styleText('bold', 'taskflow top')}  ${state.url}  ${now.toLocaleTimeString('sv-SE')}${lost}`,
    `waiting ${sum((c) => c.queued)}  running ${sum((c) => c.processing)}  later ${sum((c) => c.scheduled)}  done 24h ${sum((c) => c.completed)}  failed 24h ${sum((c) => c.failed)}  yours ${state.endedPerSecond.toFixed(1)}/s  workers ${workers.length} (${running}/${capacity})`,
    '',
  ];
  const foot = styleText('dim', 'q or Ctrl-C ends');
  const space = Math.max(0, rows - head.length - 1);
  // Queues matter most; each part leaves the others a third at least, where they have as much to say.
  const [ofQueues, ofWorkers] = [queueLines(queues), workerLines(workers, now.getTime())];
  const third = Math.floor(space / 3);
  const queuePart = ofQueues.slice(0, Math.max(third, space - Math.min(third, ofWorkers.length) - third));
  const workerPart = ofWorkers.slice(0, Math.max(third, space - queuePart.length - third));
  const left = space - queuePart.length - workerPart.length;
  const body = [...queuePart, ...workerPart, ...changeLines(state.changes, left)].slice(0, space);
  const filled = [...head, ...body, ...Array<string>(Math.max(0, space - body.length)).fill(''), foot];
  return filled.slice(0, rows).map((line) => cut(line, columns));
};

const heading = (text: string): string => styleText('inverse', text);

const queueLines = (queues: readonly QueueRow[]): string[] => {
  const width = Math.max(20, ...queues.map(({ name }) => name.length));
  const line = (name: string, cells: readonly string[], state: string): string =>
    `${name.padEnd(width)} ${cells.map((cell) => cell.padStart(10)).join(' ')}  ${state}`;
  const rows = [...queues]
    .sort((a, b) => b.counts.queued + b.counts.processing - (a.counts.queued + a.counts.processing))
    .map((queue) => {
      const { queued, processing, scheduled, completed, failed } = queue.counts;
      const cells = [queued, processing, scheduled, completed, failed].map(count);
      return line(plain(queue.name), cells, queueState(queue) && styleText('yellow', queueState(queue)));
    });
  return [heading(line('QUEUE', ['WAITING', 'RUNNING', 'LATER', 'DONE 24H', 'FAIL 24H'], 'STATE')), ...rows, ''];
};

const workerLines = (workers: readonly WorkerRow[], now: number): string[] => {
  const rows = [...workers]
    .sort((a, b) => b.running - a.running)
    .map(
      ({ id, host, language, running, concurrency, lastHeartbeatAt }) =>
        `${plain(id).padEnd(38)} ${plain(host).slice(0, 16).padEnd(16)} ${plain(language).padEnd(11)} ${`${running}/${concurrency}`.padStart(9)} ${age(lastHeartbeatAt, now).padStart(5)}`,
    );
  return [
    heading(`${'WORKER'.padEnd(38)} ${'HOST'.padEnd(16)} ${'LANGUAGE'.padEnd(11)} ${'LOAD'.padStart(9)}  SEEN`),
    ...rows,
    '',
  ];
};

const changeLines = (changes: TopState['changes'], space: number): string[] => {
  if (space < 2) return [];
  const rows = changes
    .slice(-(space - 1))
    .reverse()
    .map(
      ({ at, status, type, id }) =>
        `${new Date(at).toLocaleTimeString('sv-SE')} ${status.padEnd(10)} ${id} ${plain(type)}`,
    );
  return [heading('YOUR TASKS'.padEnd(60)), ...rows];
};

/** A line that is too long loses its colours with its end. */
const cut = (line: string, columns: number): string => {
  const text = stripVTControlCharacters(line);
  return text.length > columns ? text.slice(0, columns) : line;
};

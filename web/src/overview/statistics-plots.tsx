import { useMemo } from 'react';
import { Panel } from '../ui/page.tsx';
import { Plot, type PlotLine } from '../ui/plot.tsx';
import { duration } from '../ui/time.tsx';
import { type History, type Line, SPAN_SECONDS } from './history.ts';
import styles from './overview-page.module.css';

interface PlotOf {
  title: string;
  format: (value: number) => string;
  lines: readonly (Pick<PlotLine, 'name' | 'color' | 'isDashed'> & { of: Line })[];
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const plain = (value: number): string => compact.format(value);

const PLOTS: readonly PlotOf[] = [
  {
    title: 'Tasks a second',
    format: plain,
    lines: [
      { name: 'Submitted', color: '--border-strong', of: 'submitted' },
      { name: 'Completed', color: '--success', of: 'completed' },
      { name: 'Failed', color: '--danger', of: 'failed' },
    ],
  },
  {
    title: 'Tasks now',
    format: plain,
    lines: [
      { name: 'Waiting', color: '--warning', of: 'queued' },
      { name: 'Running', color: '--info', of: 'processing' },
      { name: 'Scheduled', color: '--border-strong', of: 'scheduled' },
    ],
  },
  {
    title: 'From submission to completion',
    format: duration,
    lines: [
      { name: 'p50', color: '--accent', of: 'completionP50' },
      { name: 'p99', color: '--warning', of: 'completionP99', isDashed: true },
    ],
  },
  {
    title: 'Waiting for a worker',
    format: duration,
    lines: [
      { name: 'p50', color: '--accent', of: 'waitP50' },
      { name: 'p99', color: '--warning', of: 'waitP99', isDashed: true },
    ],
  },
];

export const StatisticsPlots = ({ history }: { history: History }) => (
  <div className={styles.plots}>
    {PLOTS.map((plot) => (
      <StatisticsPlot key={plot.title} plot={plot} history={history} />
    ))}
  </div>
);

const StatisticsPlot = ({ plot: { title, lines, format }, history }: { plot: PlotOf; history: History }) => {
  const drawn = useMemo(
    () => lines.map(({ of, ...line }) => ({ ...line, values: history.values[of] })),
    [lines, history],
  );
  return (
    <Panel title={title}>
      <Plot label={title} times={history.times} lines={drawn} format={format} span={SPAN_SECONDS} />
    </Panel>
  );
};

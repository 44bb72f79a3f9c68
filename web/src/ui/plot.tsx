import { type CSSProperties, useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useIsDark } from '../shell/theme.ts';
import styles from './plot.module.css';

export interface PlotLine {
  name: string;
  /** A colour of tokens.css: "--success". */
  color: string;
  values: readonly (number | null)[];
  isDashed?: boolean;
}

interface PlotProps {
  /** Read out, with the latest values. */
  label: string;
  /** In seconds since 1970. */
  times: readonly number[];
  lines: readonly PlotLine[];
  /** As on the axis and in the legend. */
  format: (value: number) => string;
  /** How much of the past is shown, in seconds. */
  span: number;
}

const HEIGHT_PX = 150;
const VALUES_PX = 52;
const TIMES_PX = 24;
/** At first less of the past is shown: a new plot is no empty field with a scribble at its end. In seconds. */
const LEAST_SPAN = 60;
/** Plots of one page show the same moment when one is pointed at. */
const SYNC = 'taskflow';

const minutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** A moving plot. Its legend has the latest values, or those of the moment that is pointed at. */
export const Plot = ({ label, times, lines, format, span }: PlotProps) => {
  const [pointed, setPointed] = useState<number | undefined>();
  const canvas = usePlot({ times, lines, format, span, onPoint: setPointed });
  const shown = lines.map(({ name, color, values }) => {
    const value = values[pointed ?? values.length - 1] ?? null;
    return { name, color, value: value === null ? '–' : format(value) };
  });
  return (
    <figure className={styles.plot} style={{ margin: 0 }}>
      <dl className={styles.legend}>
        {shown.map(({ name, color, value }) => (
          <div key={name}>
            <dt style={{ '--mark': `var(${color})` } as CSSProperties}>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div
        ref={canvas}
        className={styles.canvas}
        role="img"
        aria-label={`${label}, the last ${Math.round(span / 60)} minutes`}
      />
    </figure>
  );
};

type DrawnPlot = Omit<PlotProps, 'label'> & { onPoint: (index: number | undefined) => void };

/** Draws into the element that the ref is given to; anew when its colours or its lines are others. */
const usePlot = ({ times, lines, format, span, onPoint }: DrawnPlot) => {
  const container = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const isDark = useIsDark();
  const looks = JSON.stringify([isDark, span, lines.map(({ name, color, isDashed }) => [name, color, isDashed])]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `looks` says all that matters of the lines
  useEffect(() => {
    const element = container.current;
    if (!element) return;
    const drawn = new uPlot(optionsOf(element, { lines, format, span, onPoint }), toData(times, lines), element);
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      drawn.destroy();
      plot.current = undefined;
    };
  }, [looks]);
  useEffect(() => plot.current?.setData(toData(times, lines)), [times, lines]);
  return container;
};

const toData = (times: readonly number[], lines: readonly PlotLine[]): uPlot.AlignedData =>
  [[...times], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData;

const optionsOf = (element: HTMLElement, { lines, format, span, onPoint }: Omit<DrawnPlot, 'times'>): uPlot.Options => {
  const css = getComputedStyle(element);
  const color = (name: string): string => css.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color('--text-2'),
    font: `11px ${css.fontFamily}`,
    grid: { stroke: color('--border'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: SYNC }, points: { size: 6 } },
    scales: {
      x: { range: (plot) => rangeOf(plot.data[0], span) },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: TIMES_PX, incrs: [10, 30, 60, 120], space: 64, values: toClock },
      { ...axis, size: VALUES_PX, space: 28, values: (_plot, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: color(line.color),
        width: 1.5,
        points: { size: 4, width: 0, fill: color(line.color) },
        ...(line.isDashed ? { dash: [4, 3] } : {}),
      })),
    ],
    hooks: { setCursor: [({ cursor: { idx } }) => onPoint(idx ?? undefined)] },
  };
};

const toClock = (_plot: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] =>
  splits.map((time) => (step < 60 ? seconds : minutes).format(time * 1_000));

/** Ends with the latest time, and grows with the history until it has its full span. */
const rangeOf = (times: ArrayLike<number>, span: number): [number, number] => {
  const last = times[times.length - 1] ?? Date.now() / 1_000;
  const age = last - (times[0] ?? last);
  return [last - Math.min(Math.max(age, LEAST_SPAN), span), last];
};

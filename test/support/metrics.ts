import type { TestProcess } from './processes.ts';

/** One time series of a scrape. */
export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** What a process answered at /metrics. */
export class Scrape {
  readonly text: string;
  readonly samples: readonly Sample[];

  constructor(text: string) {
    this.text = text;
    this.samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map(parseSample);
  }

  /** Names of metrics, without the endings of their series, and their types. */
  get types(): Map<string, string> {
    return new Map(
      [...this.text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name as string, type as string]),
    );
  }

  /** The sum of all series of this name that have these labels; undefined where there are none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const matching = this.samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    return matching.length === 0 ? undefined : matching.reduce((sum, { value }) => sum + value, 0);
  }
}

const parseSample = (line: string): Sample => {
  const [, name = '', labels = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === '') throw new Error(`this is no sample: ${line}`);
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text]);
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
};

/** Settings with which a process serves its metrics on a free port. */
export const WITH_METRICS = { METRICS_PORT: '0' };

/** Where a process that was started so serves them: "http://127.0.0.1:1234". */
export const metricsUrl = async (process: TestProcess): Promise<string> => {
  const [, url] = await process.waitForOutput(/"url":"(http:[^"]+)\/metrics"/);
  return url as string;
};

export const scrape = async (process: TestProcess): Promise<Scrape> => {
  const response = await fetch(`${await metricsUrl(process)}/metrics`);
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  return new Scrape(await response.text());
};

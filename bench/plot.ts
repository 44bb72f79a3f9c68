import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { None, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Summary } from './report.ts';

/**
 * Writes an SVG for each thing that was measured, a bar a system, and for each cost that grows, a bar a size; the rounds are points.
 * @returns their names
 */
export const writePlots = async (folder: string, summaries: readonly Summary[]): Promise<string[]> => {
  mkdirSync(folder, { recursive: true });
  const groups = [...Map.groupBy(summaries, ({ name, growth }) => growth?.plot ?? name)];
  return Promise.all(
    groups.map(async ([name, group]) => {
      const file = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;
      const view = new View(parse(compile(toSpec(name, group)).spec), { renderer: 'none', logLevel: None });
      writeFileSync(join(folder, file), await view.toSVG());
      return file;
    }),
  );
};

const toSpec = (name: string, group: readonly Summary[]): TopLevelSpec => {
  const label = ({ system, growth }: Summary) => growth?.count.toLocaleString('en') ?? system;
  const y = { field: 'label', type: 'nominal', sort: group.map(label), title: null } as const;
  const title = group[0]?.unit ?? '';
  return {
    title: name,
    width: 480,
    background: 'white',
    data: { values: group.flatMap((summary) => summary.values.map((value) => ({ label: label(summary), value }))) },
    layer: [
      {
        mark: 'bar',
        encoding: { y, x: { aggregate: 'median', field: 'value', type: 'quantitative', title } },
      },
      { mark: { type: 'point', color: 'black' }, encoding: { y, x: { field: 'value', type: 'quantitative', title } } },
    ],
  };
};

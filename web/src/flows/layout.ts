/** What is drawn: a task by its name, and the names of those that it waits for. */
export interface GraphTask {
  name: string;
  dependsOn: readonly string[];
}

export interface Placed {
  /** Of the left upper corner. */
  x: number;
  y: number;
}

export interface FlowLayout {
  width: number;
  height: number;
  /** By the tasks' names. */
  places: ReadonlyMap<string, Placed>;
  /** SVG paths, from each task to one that waits for it. */
  edges: readonly { from: string; to: string; path: string }[];
}

export const NODE = { width: 184, height: 56 } as const;
/** From so many tasks on, a quick ranking: the other one takes seconds. */
const MANY = 100;
const MARGIN = 16;

/** Places tasks in layers, from left to right, each right of all that it waits for. The library is loaded when it is needed. */
export const layoutFlow = async (tasks: readonly GraphTask[]): Promise<FlowLayout> => {
  const { Graph, layout } = await import('@dagrejs/dagre');
  const graph = new Graph();
  graph.setGraph({
    rankdir: 'LR',
    nodesep: 20,
    ranksep: 56,
    marginx: MARGIN,
    marginy: MARGIN,
    ranker: tasks.length > MANY ? 'longest-path' : 'network-simplex',
  });
  for (const { name } of tasks) graph.setNode(name, { ...NODE });
  for (const { name, dependsOn } of tasks) {
    for (const parent of dependsOn) if (graph.hasNode(parent)) graph.setEdge(parent, name, {});
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const centres = new Map(tasks.map(({ name }) => [name, graph.node(name) as Placed]));
  const columns = new Set([...centres.values()].map(({ x }) => Math.round(x)));
  const edges = graph.edges().map((edge) => {
    const { points } = graph.edge(edge) as { points: Placed[] };
    const between = points.slice(1, -1).filter(({ x }) => columns.has(Math.round(x)));
    return { from: edge.v, to: edge.w, path: line(centres.get(edge.v), between, centres.get(edge.w)) };
  });
  const places = new Map([...centres].map(([name, { x, y }]) => [name, { x: x - HALF, y: y - NODE.height / 2 }]));
  return { width, height, places, edges };
};

const HALF = NODE.width / 2;

/**
 * A line from the right side of a task to the left side of another. It bends between the columns only, and goes straight
 * through those that it passes, where the layout has left it a place: so it crosses no task.
 */
const line = (from: Placed | undefined, between: readonly Placed[], to: Placed | undefined): string => {
  if (!from || !to) return '';
  let path = `M${round(from.x + HALF)} ${round(from.y)}`;
  let last = { x: from.x + HALF, y: from.y };
  for (const { x, y } of [...between, to]) {
    const middle = round((last.x + x - HALF) / 2);
    path += ` C${middle} ${round(last.y)} ${middle} ${round(y)} ${round(x - HALF)} ${round(y)}`;
    last = { x: x + HALF, y };
    if (x !== to.x) path += ` H${round(last.x)}`;
  }
  return path;
};

const round = (value: number): number => Math.round(value * 10) / 10;

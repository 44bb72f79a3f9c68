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
  const places = tasks.map(({ name }) => {
    const { x, y } = graph.node(name) as Placed;
    return [name, { x: x - NODE.width / 2, y: y - NODE.height / 2 }] as const;
  });
  const edges = graph.edges().map((edge) => ({
    from: edge.v,
    to: edge.w,
    path: curve((graph.edge(edge) as { points: Placed[] }).points),
  }));
  return { width, height, places: new Map(places), edges };
};

/** A line through points, with its corners rounded: each point between bends from the middle before it to the one after it. */
const curve = (points: readonly Placed[]): string => {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (!first || !last) return '';
  const bends = rest.map((point, index) => {
    const next = rest[index + 1] ?? last;
    return `Q${round(point.x)} ${round(point.y)} ${round((point.x + next.x) / 2)} ${round((point.y + next.y) / 2)}`;
  });
  return `M${round(first.x)} ${round(first.y)} ${bends.join(' ')} L${round(last.x)} ${round(last.y)}`;
};

const round = (value: number): number => Math.round(value * 10) / 10;

import type { FlowLayout } from './layout.ts';

type Places = FlowLayout['places'];

/**
 * Where an arrow key leads in a graph from left to right.
 *
 * @returns the name of a task; undefined where it leads nowhere, and for other keys
 */
export const neighbourOf = ({ places, edges }: FlowLayout, name: string, key: string): string | undefined => {
  switch (key) {
    case 'ArrowRight':
      return nearest(
        places,
        name,
        edges.filter(({ from }) => from === name).map(({ to }) => to),
      );
    case 'ArrowLeft':
      return nearest(
        places,
        name,
        edges.filter(({ to }) => to === name).map(({ from }) => from),
      );
    case 'ArrowDown':
      return nearest(places, name, beside(places, name, 1));
    case 'ArrowUp':
      return nearest(places, name, beside(places, name, -1));
    default:
      return undefined;
  }
};

/** Those in the same layer, below (1) or above (-1). */
const beside = (places: Places, name: string, direction: 1 | -1): string[] => {
  const own = places.get(name);
  if (!own) return [];
  return [...places].flatMap(([other, { x, y }]) => (x === own.x && (y - own.y) * direction > 0 ? [other] : []));
};

const nearest = (places: Places, name: string, names: readonly string[]): string | undefined => {
  const y = places.get(name)?.y ?? 0;
  const distance = (other: string): number => Math.abs((places.get(other)?.y ?? 0) - y);
  return names.toSorted((a, b) => distance(a) - distance(b))[0];
};

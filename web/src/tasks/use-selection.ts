import { useRef, useState } from 'react';
import type { TaskItem } from './task-rows.ts';

export interface Selection {
  selected: ReadonlySet<string>;
  /** @param from with it, all from there to the item are selected; otherwise the item is selected, or not any more */
  toggle: (item: TaskItem, from?: TaskItem) => void;
  /** By mouse. @param isRange with Shift: from the one that was pressed before */
  press: (item: TaskItem, isRange: boolean) => void;
  clear: () => void;
}

/** Which tasks are selected, by their ids; they stay so wherever one scrolls. */
export const useSelection = (items: readonly TaskItem[]): Selection => {
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const pressed = useRef<TaskItem>(undefined);
  const toggle = (item: TaskItem, from?: TaskItem): void => {
    const next = new Set(selected);
    if (from) for (const { id } of between(items, from, item)) next.add(id);
    else if (!next.delete(item.id)) next.add(item.id);
    setSelected(next);
  };
  return {
    selected,
    toggle,
    press: (item, isRange) => {
      toggle(item, isRange ? pressed.current : undefined);
      pressed.current = item;
    },
    clear: () => setSelected(new Set()),
  };
};

const between = (items: readonly TaskItem[], a: TaskItem, b: TaskItem): readonly TaskItem[] => {
  const [first = 0, last = 0] = [items.indexOf(a), items.indexOf(b)].sort((x, y) => x - y);
  return items.slice(Math.max(first, 0), last + 1);
};

import type { Output } from './output.ts';

/** A bar on a terminal; nothing elsewhere. */
export interface Progress {
  advance(by: number): void;
  /** Why it does not go on; stays until it does. */
  say(text: string): void;
  /** Sets how far it is, and of how many. */
  set(value: number, total: number): void;
  stop(): void;
}

const NONE: Progress = { advance: () => {}, say: () => {}, set: () => {}, stop: () => {} };

/** @param noun what is counted: "tasks" */
export const openProgress = async (output: Output, total: number, noun: string): Promise<Progress> => {
  if (!output.isTerminal) return NONE;
  const { Presets, SingleBar } = await import('cli-progress');
  const bar = new SingleBar(
    {
      format: ` {bar} {percentage} %  {value}/{total} ${noun}  {eta_formatted} left  {note}`,
      hideCursor: true,
      stopOnComplete: false,
      stream: process.stdout,
      barsize: 30,
      fps: 10,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0, { note: '' });
  return {
    advance: (by) => bar.increment(by, { note: '' }),
    say: (note) => bar.update({ note }),
    set: (value, most) => {
      bar.setTotal(most);
      bar.update(value);
    },
    stop: () => bar.stop(),
  };
};

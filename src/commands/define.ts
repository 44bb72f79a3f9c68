import type { Command } from 'commander';

/**
 * Adds a command.
 *
 * @param usage its name and arguments, as commander has them: "show <id>"
 * @param examples lines that can be typed as they stand
 */
export const addCommand = (parent: Command, usage: string, description: string, examples: readonly string[]): Command =>
  withExamples(parent.command(usage).description(description), examples);

/** Shows examples at the end of a command's help. */
export const withExamples = (command: Command, examples: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`);

/** Collects the values of an option that may be given several times, or with commas between. */
export const collect = (text: string, before: readonly string[] = []): string[] => [
  ...before,
  ...text.split(',').filter((value) => value !== ''),
];

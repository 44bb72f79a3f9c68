import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closeShell, openShell } from '../support/commands.ts';

/** What is typed before the tab key, and the line that a shell makes of it. */
const LINES: readonly (readonly [typed: string, completed: string])[] = [
  ['taskflow sub', 'taskflow submit'],
  ['taskflow keys cr', 'taskflow keys create'],
  ['taskflow submit echo --prio', 'taskflow submit echo --priority'],
  ['taskflow submit --priority h', 'taskflow submit --priority high'],
];

const hasShell = (name: string): boolean => {
  const isThere = spawnSync(name, ['--version']).status === 0;
  if (!isThere && process.env.CI) throw new Error(`${name} is missing; see .ci/run`);
  return isThere;
};

/** @returns the path of a file that is there until the test has ended */
const temporaryFile = (content: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-completion-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'script'), content);
  return join(folder, 'script');
};

const completionFor = async (name: string): Promise<string> => {
  const shell = openShell({});
  const { stdout } = await shell.run(['completion', name]);
  closeShell(shell);
  return temporaryFile(stdout);
};

/** Types each of its arguments and the tab key into a zsh on a terminal, and prints the lines that come of it. */
const TYPE_INTO_ZSH = `
zmodload zsh/zpty
zpty shell "TERM=dumb zsh -f -i"
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -D -u; source '$1'; bindkey "^I" complete-word
show() { print -r -- "<$BUFFER>"; BUFFER=; zle reset-prompt }; zle -N show; bindkey "^X" show; print rea""dy'
zpty -r -m shell answer '*ready*'
for typed in "\${@:2}"; do
  zpty -n -w shell "$typed"$'\\t\\x18'
  zpty -r -m shell answer '*<*>*'
  print -r -- \${\${answer##*<}%%>*}
done
zpty -d shell
`;

describe('completion in the shell itself', () => {
  test.skipIf(!hasShell('zsh'))('completes commands, options and values in zsh, on the tab key', async () => {
    const arguments_ = [temporaryFile(TYPE_INTO_ZSH), await completionFor('zsh'), ...LINES.map(([typed]) => typed)];
    const lines = execFileSync('zsh', ['-f', ...arguments_], { encoding: 'utf8', timeout: 20_000 });
    expect(lines.split(/ *\n/)).toEqual([...LINES.map(([, completed]) => completed), '']);
  });

  test.skipIf(!hasShell('fish'))('completes commands, options and values in fish', async () => {
    const script = `source ${await completionFor('fish')}; for line in $argv; complete -C $line; end`;
    const offers = execFileSync('fish', ['--no-config', '-c', script, ...LINES.map(([typed]) => typed)], {
      encoding: 'utf8',
    });
    // A tab stands between a word and its description.
    const words = offers
      .trim()
      .split('\n')
      .map((offer) => offer.split('\t')[0]);
    expect(words).toEqual(LINES.map(([, completed]) => completed.split(' ').at(-1)));
  });
});

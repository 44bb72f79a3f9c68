import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, onTestFinished, test } from 'vitest';
import { EXIT_CODES } from '../../src/commands/exit-codes.ts';
import { addCommands } from '../../src/commands/index.ts';
import { closeShell, openShell } from '../support/commands.ts';

const program = new Command('taskflow');
addCommands(program);

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
const leaves = all(program).filter(({ commands, parent }) => commands.length === 0 && parent);

const helpOf = (command: Command): string => {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
};

const docs = readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8');

describe('every command', () => {
  test.each(leaves.map((command) => [pathOf(command), command] as const))(
    '%s shows an example of itself, and --json',
    (path, command) => {
      const help = helpOf(command);
      const examples = help.split('Examples:\n')[1] ?? '';
      expect(examples).toContain(path);
      expect(help).toContain('--json');
    },
  );

  test('of those that run a TaskFlow shows an example, too', async () => {
    const shell = openShell({});
    for (const path of [
      'up',
      'api',
      'manager',
      'worker',
      'janitor',
      'migrate',
      'after-restore',
      'users promote',
      'users demote',
      'payload-index create',
    ]) {
      const { code, stdout } = await shell.run([...path.split(' '), '--help']);
      expect({ path, code, hasExample: /Examples:\n {2}\$ /.test(stdout) }).toEqual({
        path,
        code: 0,
        hasExample: true,
      });
    }
    closeShell(shell);
  });

  test('is in the documentation', () => {
    for (const command of program.commands)
      expect(docs).toMatch(new RegExp(`[\`|]${command.name()}[\` |]|\`${command.name()} `));
  });

  test('shows examples whose commands and options there are', () => {
    for (const command of all(program)) {
      const lines = (helpOf(command).split('Examples:\n')[1] ?? '')
        .split('\n')
        .filter((line) => line.includes('taskflow '));
      for (const line of lines) checkLine(line);
    }
  });
});

/** Walks along the words of an example as the shell would give them, as far as they name commands. */
const checkLine = (line: string): void => {
  const words = (/taskflow (.*?)(?:\)| \||$| {2,}#)/.exec(line)?.[1] ?? '').split(' ');
  let command = program;
  for (const word of words) command = command.commands.find((child) => child.name() === word) ?? command;
  const known = command.options.flatMap(({ long, short }) => [long, short]);
  for (const word of words) {
    if (/^--?[a-z][a-z-]*$/.test(word))
      expect({ line, known }).toMatchObject({ known: expect.arrayContaining([word]) });
  }
};

describe('exit codes', () => {
  test('are documented', () => {
    const rows = [...docs.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning]) => [Number(code), meaning]);
    expect(rows).toEqual(Object.values(EXIT_CODES));
  });
});

/** What bash would offer for the last of these words. */
const completeInBash = (script: string, words: readonly string[]): string[] => {
  const list = words.map((word) => `'${word}'`).join(' ');
  const ask = `${script}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _taskflow; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', ask], { encoding: 'utf8' }).trim().split('\n');
};

describe('completion', () => {
  test('completes commands, options and values in bash', async () => {
    const shell = openShell({});
    const { stdout: script } = await shell.run(['completion', 'bash']);
    closeShell(shell);
    expect(completeInBash(script, ['taskflow', 'sub'])).toEqual(['submit']);
    expect(completeInBash(script, ['taskflow', 'keys', ''])).toEqual(
      expect.arrayContaining(['create', 'list', 'rotate', 'revoke']),
    );
    expect(completeInBash(script, ['taskflow', 'users', ''])).toEqual(
      expect.arrayContaining(['list', 'lock', 'unlock', 'role', 'promote', 'demote']),
    );
    expect(completeInBash(script, ['taskflow', 'users', 'list', '--role', ''])).toEqual(['admin', 'user']);
    expect(completeInBash(script, ['taskflow', 'submit', 'echo', '--prio'])).toEqual(['--priority']);
    expect(completeInBash(script, ['taskflow', 'submit', '--priority', ''])).toEqual(['high', 'normal', 'low']);
    expect(completeInBash(script, ['taskflow', 'wo'])).toEqual(['workers', 'worker']);
  });

  test.each(['zsh', 'fish'])('has all commands for %s', async (shellName) => {
    const shell = openShell({});
    const { code, stdout } = await shell.run(['completion', shellName]);
    closeShell(shell);
    expect(code).toBe(0);
    for (const command of leaves) expect(stdout).toContain(pathOf(command).replace(/^taskflow /, ''));
    const checker = { zsh: ['zsh', '-n'], fish: ['fish', '--no-execute'] }[shellName] as [string, string];
    if (!isInstalled(checker[0])) return;
    // fish 3.6 takes the socket that Node gives as standard input for a directory.
    const folder = mkdtempSync(join(tmpdir(), 'taskflow-completion-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'script'), stdout);
    execFileSync(checker[0], [checker[1], join(folder, 'script')]);
  });
});

const isInstalled = (program: string): boolean => {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

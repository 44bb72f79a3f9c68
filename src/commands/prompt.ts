import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { CommandError, usageError } from './exit-codes.ts';

const BACKSPACE = new Set(['\b', '\u007f']);
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const CTRL_U = '\u0015';

/** Is there somebody to ask? */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Asks for a line. Questions go to stderr, so that stdout has results only. */
export const ask = async (question: string): Promise<string> => {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // The interface reads the terminal key by key: Ctrl-C comes to it, and is no signal.
  const interrupted = new Promise<never>((_resolve, reject) => {
    lines.once('SIGINT', () => reject(new CommandError('INTERRUPTED', 'Interrupted.')));
    lines.once('close', () => reject(new CommandError('INTERRUPTED', 'Nothing was typed.')));
  });
  interrupted.catch(() => {});
  try {
    return (await Promise.race([lines.question(question), interrupted])).trim();
  } finally {
    lines.close();
  }
};

/** Asks for a line without showing what is typed. The terminal is as before afterwards, also after Ctrl-C. */
export const askSecretly = async (question: string): Promise<string> => {
  const { stdin, stderr } = process;
  // Before it is asked: whoever is quick must not be shown what he types.
  stdin.setRawMode(true);
  stdin.setEncoding('utf8').resume();
  stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      let secret = '';
      const onKeys = (keys: string): void => {
        for (const key of keys) {
          if (key === '\r' || key === '\n') {
            end(() => resolve(secret));
            return;
          }
          if (key === CTRL_C || (key === CTRL_D && secret === '')) {
            end(() => reject(new CommandError('INTERRUPTED', 'Interrupted.')));
            return;
          }
          if (key === CTRL_U) secret = '';
          else if (BACKSPACE.has(key)) secret = [...secret].slice(0, -1).join('');
          else secret += key;
        }
      };
      const end = (settle: () => void): void => {
        stdin.off('data', onKeys);
        settle();
      };
      stdin.on('data', onKeys);
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
};

/** Everything on stdin, without the end of the last line. @throws CommandError when stdin is a terminal */
export const readInput = async (what: string): Promise<string> => {
  if (process.stdin.isTTY) throw usageError(`${what} is to be read from stdin, which is a terminal.`);
  return (await text(process.stdin)).replace(/\r?\n$/, '');
};

/**
 * Asks whether to go on.
 *
 * @param isConfirmed that it was said on the command line already
 * @throws CommandError INTERRUPTED when the answer is no; USAGE when there is nobody to ask
 */
export const confirm = async (question: string, isConfirmed: boolean): Promise<void> => {
  if (isConfirmed) return;
  if (!canAsk()) throw usageError(`${question} Nobody is there to be asked.`, 'Say --yes if that is meant.');
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer)) throw new CommandError('INTERRUPTED', 'Nothing was done.');
};

import { Redis } from 'ioredis';
import { readRunId } from '../../src/broker/run-id.ts';

/** The blocks of a document whose lines "> command" are answered by Redis. */
const BLOCK = /^```redis\n([\s\S]*?)^```$/gm;
/** A word as redis-cli reads it: bare, in single quotes as it stands, or in double quotes with escapes as JSON has them. */
const WORD = /'([^']*)'|("(?:[^"\\]|\\.)*")|(\S+)/g;

const wordsOf = (command: string, runId: string): string[] =>
  [...command.matchAll(WORD)]
    .map(([, single, double, bare]) => single ?? (double ? JSON.parse(double) : bare))
    .map((word: string) => (word === '$RUN_ID' ? runId : word));

/** A reply as redis-cli prints it. */
const print = (reply: unknown, indent = ''): string => {
  if (reply === null) return '(nil)';
  if (typeof reply === 'number') return `(integer) ${reply}`;
  if (reply instanceof Error) return `(error) ${reply.message}`;
  if (!Array.isArray(reply)) return reply === 'OK' ? 'OK' : JSON.stringify(reply);
  if (reply.length === 0) return '(empty array)';
  const width = String(reply.length).length;
  return reply
    .map((item, i) => {
      const number = `${String(i + 1).padStart(width)}) `;
      return `${i === 0 ? '' : indent}${number}${print(item, indent + ' '.repeat(number.length))}`;
    })
    .join('\n');
};

/** Sends the commands of a document, and hears what is published on the channels that they subscribe to. */
class Transcript {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  #heard: string[][] = [];

  constructor(port: number) {
    this.#redis = new Redis({ port });
    this.#subscriber = new Redis({ port });
    this.#subscriber.on('message', (channel: string, text: string) => this.#heard.push(['message', channel, text]));
  }

  /** @returns the reply, and the messages that came because of the command, as redis-cli prints them */
  async answer(command: string): Promise<string> {
    const [name = '', ...args] = wordsOf(command, await readRunId(this.#redis));
    if (name === 'SUBSCRIBE') return print(['subscribe', args[0], await this.#subscriber.subscribe(...args)]);
    const reply = await this.#redis.call(name, ...args).catch((error: Error) => error);
    // Redis answers a subscriber after the messages that it has for it.
    await this.#subscriber.ping();
    const heard = this.#heard.splice(0);
    return [...heard, reply].map((each) => print(each)).join('\n');
  }

  close(): void {
    this.#redis.disconnect();
    this.#subscriber.disconnect();
  }
}

/**
 * Runs all exchanges of a document from top to bottom.
 *
 * @param port of an empty Redis with the library
 * @returns the document with the replies that Redis gave now
 */
export const replay = async (document: string, port: number): Promise<string> => {
  const transcript = new Transcript(port);
  try {
    let replayed = '';
    let end = 0;
    for (const match of document.matchAll(BLOCK)) {
      const commands = (match[1] ?? '').split('\n').filter((line) => line.startsWith('> '));
      replayed += `${document.slice(end, match.index)}\`\`\`redis\n`;
      for (const line of commands) replayed += `${line}\n${await transcript.answer(line.slice(2))}\n`;
      replayed += '```';
      end = match.index + match[0].length;
    }
    return replayed + document.slice(end);
  } finally {
    transcript.close();
  }
};

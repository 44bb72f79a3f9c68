import type { Command } from 'commander';
import type { Connection } from '../client/connection.ts';
import { exitCode } from './exit-codes.ts';
import { endWith, report } from './failure.ts';
import { Output } from './output.ts';
import { type Credentials, chosenUrl, credentialsFor } from './profile.ts';

/** What every command that talks to an API has. */
export interface Session {
  /** Of the API. */
  readonly url: string;
  readonly credentials: Credentials;
  readonly connection: Connection;
  readonly output: Output;
  /** Aborts at Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** Asks the API. @throws ApiError */
  request<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>;
}

interface SharedOptions {
  url?: string;
  json?: boolean;
}

type Handler<Options, Arguments extends unknown[]> = (
  session: Session,
  options: Options,
  ...given: Arguments
) => Promise<void>;

/**
 * A command that talks to an API. It gets the options --url and --json.
 *
 * @param handler is given the session, the options, and then the arguments
 */
export const online = <Options, Arguments extends unknown[]>(
  command: Command,
  handler: Handler<Options, Arguments>,
): Command =>
  withJson(command)
    .option('--url <url>', 'which API; default: TASKFLOW_URL, else where you logged in last')
    .action((...given: unknown[]) => {
      const options = command.opts<Options & SharedOptions>();
      return run(options.json === true, async (output, signal) => {
        const url = chosenUrl(options.url);
        const credentials = credentialsFor(url);
        const { Connection } = await import('../client/connection.ts');
        const connection = new Connection({ url, ...credentials });
        const request = <Data>(query: string, variables: Record<string, unknown> = {}) =>
          connection.request<Data>(query, variables, signal);
        const session = { url, credentials, connection, output, signal, request };
        try {
          await handler(session, options, ...(given.slice(0, -2) as Arguments));
        } finally {
          await connection.close();
        }
      });
    });

/** A command that needs no API. It gets the option --json. */
export const offline = <Options, Arguments extends unknown[]>(
  command: Command,
  handler: (output: Output, options: Options, ...given: Arguments) => Promise<void> | void,
): Command =>
  withJson(command).action((...given: unknown[]) => {
    const options = command.opts<Options & SharedOptions>();
    return run(options.json === true, async (output) => handler(output, options, ...(given.slice(0, -2) as Arguments)));
  });

const withJson = (command: Command): Command =>
  command.option('--json', 'results as JSON, one value a line; errors, too');

/** A command that does not listen to Ctrl-C, as in the middle of reading its input, ends after so many ms. */
const MAX_END_MS = 1_000;

const run = async (isJson: boolean, work: (output: Output, signal: AbortSignal) => Promise<void>): Promise<void> => {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(exitCode('INTERRUPTED'));
    interrupt.abort();
    setTimeout(() => process.exit(exitCode('INTERRUPTED')), MAX_END_MS).unref();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode('CUT_OFF'));
    throw error;
  });
  try {
    await work(new Output(isJson), interrupt.signal);
  } catch (error) {
    process.exitCode = report(error, isJson);
  }
  // What stays open, as an input that was not read to its end, shall not keep the process.
  await endWith(Number(process.exitCode ?? 0));
};

import { resolve } from 'node:path';
import { loadConfig } from '../config.ts';
import { type LocalAccount, openAccount } from './account.ts';
import { freePort } from './free-port.ts';
import { runSample, sampleFolder } from './sample.ts';
import { type Stack, startStack } from './stack.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/**
 * `taskflow up`: runs everything on this machine until Ctrl-C, and does some real work at the start.
 *
 * @param options.sample whether to submit the sample batch
 * @throws TaskFlowError of one line when something is missing or in use
 */
export const runUp = async ({ sample }: { sample: boolean }): Promise<void> => {
  const { TASKFLOW_HOME, PORT, FILES_DIR, METRICS_PORT: metricsPort } = loadConfig();
  const home = resolve(TASKFLOW_HOME);
  const interrupted = untilInterrupted();
  const port = PORT || (await freePort());
  const starting = startStack({ home, port, filesDir: FILES_DIR || sampleFolder(), metricsPort, say });
  const stack = await Promise.race([starting, interrupted]);
  if (stack === undefined) return stopAll(await starting);
  try {
    const account = await openAccount(stack.url, home);
    say(welcome(stack.url, account));
    if (sample) await Promise.race([runSample(stack.url, account.apiKey, say), interrupted]);
    say('Running. Ctrl-C stops everything; the next start finds its tasks again.');
    const failure = await Promise.race([interrupted, stack.failed]);
    if (failure) say(`${failure}; stopping.`);
    process.exitCode = failure ? 1 : 0;
  } finally {
    await stopAll(stack);
  }
};

const stopAll = async (stack: Stack): Promise<void> => {
  say('Stopping …');
  await stack.stop();
  say('Stopped.');
  process.exit();
};

/** A Ctrl-C arrives twice: from the terminal, and passed on by npm. A second signal counts after this, in ms. */
const SAME_SIGNAL_MS = 1_000;

/** Settles at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
const untilInterrupted = (): Promise<undefined> =>
  new Promise((resolve) => {
    let since: number | undefined;
    const onSignal = (): void => {
      if (since !== undefined && performance.now() - since > SAME_SIGNAL_MS) process.exit(130);
      since ??= performance.now();
      resolve(undefined);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });

const welcome = (url: string, { email, username, password, apiKey }: LocalAccount): string => `
TaskFlow runs.

  Dashboard     ${url}
  GraphiQL      ${url}/graphql
  Sample login  ${email} (or "${username}"), password ${password}
  API key       ${apiKey}

Submit a task:

  curl -s ${url}/graphql -H 'content-type: application/json' -H 'x-api-key: ${apiKey}' -d '{"query":"mutation { createTask(input: { type: \\"echo\\", payload: { hello: \\"world\\" } }) { id status } }"}'
`;

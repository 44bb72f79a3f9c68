import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { ConnectionOptions } from '../client/connection.ts';
import { addCommand } from './define.ts';
import { usageError } from './exit-codes.ts';
import type { Output } from './output.ts';
import { chosenUrl, forgetProfile, keepProfile, type Profile, profileFile } from './profile.ts';
import { ask, askSecretly, canAsk, readInput } from './prompt.ts';
import { offline, online, type Session } from './session.ts';
import { localTime, plain } from './text.ts';
import { parseCount } from './values.ts';

interface LoginOptions {
  user?: string;
  passwordStdin?: boolean;
  apiKeyStdin?: boolean;
  days?: number;
}

interface User {
  id: string;
  email: string;
  username: string;
  isAdmin: boolean;
}

const ME = '{ me { id email username isAdmin } }';
const LOGIN = `mutation ($input: LoginInput!) {
  login(input: $input) { token expiresAt user { id email username isAdmin } }
}`;
const CREATE_KEY = `mutation ($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { secret apiKey { id expiresAt } }
}`;

/** `login`, `logout` and `whoami`. */
export const addAccountCommands = (program: Command): void => {
  offline(
    addCommand(program, 'login [url]', 'Logs in, and keeps the login for this API; only you can read the file.', [
      'taskflow login https://tasks.example.com',
      'taskflow login --user ada --password-stdin < password.txt',
      'taskflow login --days 30     # keeps an API key that lives 30 days, instead of a login of some hours',
    ])
      .option('--user <name>', 'an email or a username; asked for otherwise')
      .option('--password-stdin', 'reads the password from stdin, instead of asking for it')
      .option('--api-key-stdin', 'keeps an API key that stdin has, instead of logging in')
      .option(
        '--days <count>',
        'makes an API key for so many days and keeps that: without the rights of an admin',
        parseCount,
      ),
    login,
  );
  offline(
    addCommand(program, 'logout [url]', 'Forgets the login of this API.', ['taskflow logout']),
    (output, _options, given: string | undefined) => {
      const url = chosenUrl(given);
      const wasThere = forgetProfile(url);
      output.json({ url, wasLoggedIn: wasThere });
      output.line(wasThere ? `Logged out of ${url}.` : `There was no login for ${url}.`);
    },
  );
  online(
    addCommand(program, 'whoami', 'Says who you are, for which API, and with which credentials.', [
      'taskflow whoami',
      'taskflow whoami --json | jq -r .username',
    ]),
    whoami,
  );
};

const login = async (output: Output, options: LoginOptions, given: string | undefined): Promise<void> => {
  const url = chosenUrl(given);
  warnOfPlainHttp(output, url);
  const { user, profile } = options.apiKeyStdin ? await takeApiKey(url) : await logInAt(url, options);
  keepProfile(url, profile);
  output.json({ url, ...user, expiresAt: profile.expiresAt ?? null });
  const until = profile.expiresAt ? `, until ${localTime(profile.expiresAt)}` : '';
  output.line(`Logged in to ${url} as ${plain(user.username)}${user.isAdmin ? ', an admin' : ''}${until}.`);
  output.hint('Next: `taskflow tasks`, `taskflow submit echo --payload \'{"hello":"world"}\' --watch`');
};

const requestAs = async <Data>(
  options: ConnectionOptions,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> => {
  const { Connection } = await import('../client/connection.ts');
  return new Connection(options).request<Data>(query, variables);
};

const takeApiKey = async (url: string): Promise<{ user: User; profile: Profile }> => {
  const apiKey = await readInput('The API key');
  const { me } = await requestAs<{ me: User }>({ url, apiKey }, ME);
  return { user: me, profile: { apiKey, username: me.username } };
};

const logInAt = async (url: string, options: LoginOptions): Promise<{ user: User; profile: Profile }> => {
  const identifier = options.user ?? (canAsk() ? await ask(`Email or username for ${url}: `) : undefined);
  if (!identifier) throw usageError('It is not said who logs in.', 'Say --user NAME --password-stdin.');
  if (!options.passwordStdin && !canAsk()) {
    throw usageError('There is no terminal to ask for the password.', 'Say --password-stdin.');
  }
  const password = options.passwordStdin ? await readInput('The password') : await askSecretly('Password: ');
  const { login: session } = await requestAs<{ login: { token: string; expiresAt: string; user: User } }>(
    { url },
    LOGIN,
    { input: { identifier, password } },
  );
  const { token, expiresAt, user } = session;
  if (options.days === undefined) return { user, profile: { token, expiresAt, username: user.username } };
  return { user, profile: await makeKey(url, token, options.days, user) };
};

const makeKey = async (url: string, token: string, days: number, user: User): Promise<Profile> => {
  const input = {
    name: `taskflow at ${hostname()}`.slice(0, 100),
    expiresInDays: days,
    scopes: ['TASKS_READ', 'TASKS_WRITE', 'KEYS_ADMIN'],
  };
  const { createApiKey } = await requestAs<{
    createApiKey: { secret: string; apiKey: { expiresAt: string | null } };
  }>({ url, token }, CREATE_KEY, { input });
  const { secret, apiKey } = createApiKey;
  return { apiKey: secret, username: user.username, ...(apiKey.expiresAt ? { expiresAt: apiKey.expiresAt } : {}) };
};

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const warnOfPlainHttp = (output: Output, url: string): void => {
  const { protocol, hostname: host } = new URL(url);
  if (protocol === 'http:' && !LOOPBACK.test(host)) {
    output.note(`Beware: ${url} is not encrypted, so whoever is on the way can read the password. Use https.`);
  }
};

const whoami = async ({ url, credentials, output, request }: Session): Promise<void> => {
  const { me } = await request<{ me: User }>(ME);
  const kind = credentials.apiKey ? `API key ${credentials.apiKey.slice(0, 11)}…` : 'login';
  const from = credentials.source === 'login' ? profileFile() : credentials.source;
  output.json({
    ...me,
    url,
    credentials: credentials.apiKey ? 'API_KEY' : 'LOGIN',
    from,
    expiresAt: credentials.expiresAt ?? null,
  });
  output.fields([
    ['user', plain(me.username)],
    ['email', plain(me.email)],
    ['role', me.isAdmin ? 'admin' : 'user'],
    ['api', url],
    ['with', `${kind} from ${from}`],
    ['until', localTime(credentials.expiresAt ?? null)],
  ]);
};

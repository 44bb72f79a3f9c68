import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { request } from './graphql-client.ts';

const AccountSchema = z.object({ email: z.string(), username: z.string(), password: z.string(), apiKey: z.string() });

/** The sample login of a local stack, and its API key. */
export type LocalAccount = z.infer<typeof AccountSchema>;

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token } }';
const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { token } }';
const CREATE_KEY = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }';
const ME = '{ me { username } }';

/**
 * Signs the sample user up at the first start; later ones find the login in the home folder. An API key that has expired
 * since is replaced.
 */
export const openAccount = async (url: string, home: string): Promise<LocalAccount> => {
  const file = join(home, 'account.json');
  const kept = existsSync(file) ? AccountSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  if (kept && (await isValid(url, kept.apiKey))) return kept;
  const login = kept ?? {
    email: 'sample@example.com',
    username: 'sample',
    password: randomBytes(9).toString('base64url'),
  };
  const { email, username, password } = login;
  const token = kept
    ? (await request<{ login: { token: string } }>(url, LOGIN, { input: { identifier: username, password } })).login
        .token
    : (await request<{ signUp: { token: string } }>(url, SIGN_UP, { input: { email, username, password } })).signUp
        .token;
  const input = { name: 'sample', expiresInDays: 30 };
  const { createApiKey } = await request<{ createApiKey: { secret: string } }>(
    url,
    CREATE_KEY,
    { input },
    { authorization: `Bearer ${token}` },
  );
  const account = { email, username, password, apiKey: createApiKey.secret };
  writeFileSync(file, JSON.stringify(account, null, 2), { mode: 0o600 });
  return account;
};

const isValid = (url: string, apiKey: string): Promise<boolean> =>
  request(url, ME, {}, { 'x-api-key': apiKey }).then(
    () => true,
    () => false,
  );

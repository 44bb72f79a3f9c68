import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type ClientSettings, readClientSettings } from '../config.ts';
import { usageError } from './exit-codes.ts';

const ProfileSchema = z.object({
  /** Of a login. */
  token: z.string().optional(),
  /** Until when the token is valid. */
  expiresAt: z.string().optional(),
  apiKey: z.string().optional(),
  username: z.string().optional(),
});

const FileSchema = z.object({
  /** Which API is meant where nothing else is said. */
  current: z.string().optional(),
  profiles: z.record(z.string(), ProfileSchema).default({}),
});

/** What is kept of one API. */
export type Profile = z.infer<typeof ProfileSchema>;

const DEFAULT_URL = 'http://localhost:4000';

/** Where the credentials are kept; only their owner can read it. */
export const profileFile = ({ configHome }: ClientSettings = readClientSettings()): string =>
  join(configHome, 'taskflow', 'profiles.json');

const readProfiles = (): z.infer<typeof FileSchema> => {
  const file = profileFile();
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { profiles: {} };
    throw error;
  }
  try {
    return FileSchema.parse(JSON.parse(text));
  } catch {
    throw usageError(`${file} is not what this command has written.`, 'Mend it, or remove it and log in again.');
  }
};

/** Writes a file that only its owner can read, whole or not at all. */
export const writePrivately = (file: string, content: unknown): void => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const part = `${file}.${process.pid}`;
  writeFileSync(part, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  chmodSync(part, 0o600);
  renameSync(part, file);
};

/** "http://localhost:4000" for whatever way somebody writes it. The path of an API that does not stand at /graphql stays. */
export const toAddress = (url: string): string => {
  const scheme = /^(localhost|127\.|\[::1\])/.test(url) ? 'http' : 'https';
  const withScheme = /^[a-z]+:\/\//i.test(url) ? url : `${scheme}://${url}`;
  const parsed = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol)) {
    throw usageError(`${url} is no address of an API.`, 'Give it as https://tasks.example.com.');
  }
  return `${parsed.origin}${parsed.pathname.replace(/^\/(graphql\/?)?$/, '')}`;
};

/** Which API is meant: the option, else TASKFLOW_URL, else where somebody logged in last, else this machine's. */
export const chosenUrl = (option: string | undefined): string =>
  toAddress(option ?? readClientSettings().url ?? readProfiles().current ?? DEFAULT_URL);

export interface Credentials extends Profile {
  /** Where they come from. */
  source: 'TASKFLOW_API_KEY' | 'TASKFLOW_TOKEN' | 'login' | 'none';
}

/** With what to ask this API: the environment's, else what a login has left. */
export const credentialsFor = (url: string): Credentials => {
  const { apiKey, token } = readClientSettings();
  if (apiKey) return { source: 'TASKFLOW_API_KEY', apiKey };
  if (token) return { source: 'TASKFLOW_TOKEN', token };
  const profile = readProfiles().profiles[url];
  return profile ? { ...profile, source: 'login' } : { source: 'none' };
};

/** Keeps what a login gave, and means this API from now on. */
export const keepProfile = (url: string, profile: Profile): void => {
  const { profiles } = readProfiles();
  writePrivately(profileFile(), { current: url, profiles: { ...profiles, [url]: profile } });
};

/** @returns whether there was one */
export const forgetProfile = (url: string): boolean => {
  const { current, profiles } = readProfiles();
  const { [url]: forgotten, ...others } = profiles;
  if (forgotten) writePrivately(profileFile(), { current, profiles: others });
  return forgotten !== undefined;
};

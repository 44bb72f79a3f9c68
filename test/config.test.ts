import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config.ts';
import { TaskFlowError } from '../src/errors.ts';
import { documentedSettings } from '../src/settings.ts';

/** As `openssl rand -hex 32` makes it. */
const SECRET = '5e1f0c9a7b3d28e64f91a0c7d3b5826e9f04c1d7a2b8e35f60c94d1e7a83b52f';

/** The lines of the message with which these settings are refused. */
const problems = (env: Record<string, string>, needs: Parameters<typeof loadConfig>[0] = []): string[] => {
  try {
    loadConfig(needs, env);
  } catch (error) {
    expect(error).toBeInstanceOf(TaskFlowError);
    expect((error as TaskFlowError).code).toBe('BAD_USER_INPUT');
    return (error as TaskFlowError).message.split('\n');
  }
  throw new Error('the settings were accepted');
};

describe('reading settings', () => {
  test('fills in defaults', () => {
    expect(loadConfig([], {})).toMatchObject({
      PORT: 4000,
      LEASE_MS: 30_000,
      HEARTBEAT_INTERVAL_SECONDS: 30,
      REDIS_KEY_PREFIX: 'tf',
    });
  });

  test('takes an empty variable for one that is not set', () => {
    expect(loadConfig([], { PORT: '', LEASE_MS: '' })).toMatchObject({ PORT: 4000, LEASE_MS: 30_000 });
  });

  test('turns text into numbers', () => {
    expect(loadConfig([], { PORT: '5000', HEARTBEAT_INTERVAL_SECONDS: '0.5' })).toMatchObject({
      PORT: 5000,
      HEARTBEAT_INTERVAL_SECONDS: 0.5,
    });
  });

  test('takes lists with commas between', () => {
    expect(loadConfig([], {})).toMatchObject({ TRUSTED_PROXIES: [], CORS_ORIGINS: [] });
    expect(
      loadConfig([], { TRUSTED_PROXIES: '10.0.0.0/8, ::1', CORS_ORIGINS: 'https://a.example,http://localhost:3000' }),
    ).toMatchObject({
      TRUSTED_PROXIES: ['10.0.0.0/8', '::1'],
      CORS_ORIGINS: ['https://a.example', 'http://localhost:3000'],
    });
  });

  test('names every bad value, one a line', () => {
    const lines = problems({
      PORT: 'http',
      LEASE_MS: '7',
      ALGORITHM: 'none',
      WORKER_QUEUES: 'Mail',
      REDIS_KEY_PREFIX: 'a b',
    });
    expect(lines.map((line) => line.split(':')[0]).sort()).toEqual([
      'ALGORITHM',
      'LEASE_MS',
      'PORT',
      'REDIS_KEY_PREFIX',
      'WORKER_QUEUES',
    ]);
  });

  test.each([
    ['PORT', '65536'],
    ['PORT', '1.5'],
    ['PORT', '-1'],
    ['WORKER_CONCURRENCY', '0'],
    ['SHARDS_PER_LANE', '65'],
    ['LOG_LEVEL', 'loud'],
    ['TRUSTED_PROXIES', '10.0.0.0/8,proxy.example'],
    ['TRUSTED_PROXIES', '10.0.0.0/99'],
    ['CORS_ORIGINS', 'https://example.com/path'],
    ['CORS_ORIGINS', 'example.com'],
    ['GRAPHIQL', 'maybe'],
  ])('refuses %s=%s', (name, value) => {
    expect(problems({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  });

  test('asks a process only for what it needs', () => {
    expect(loadConfig([], {}).SECRET_KEY).toBe('');
    expect(problems({}, ['secret'])).toEqual([expect.stringMatching(/^SECRET_KEY: must have at least 32 characters/)]);
    expect(problems({}, ['database', 'secret'])).toEqual([
      expect.stringMatching(/^DATABASE_URL: is not set/),
      expect.stringMatching(/^SECRET_KEY: /),
    ]);
  });

  test.each([
    ['is too short', { SECRET_KEY: SECRET.slice(0, 31) }],
    ['is too short for HS384', { SECRET_KEY: SECRET.slice(0, 47), ALGORITHM: 'HS384' }],
    ['is too short for HS512', { SECRET_KEY: SECRET.slice(0, 63), ALGORITHM: 'HS512' }],
    [
      'is the one of .env.example',
      { SECRET_KEY: readFileSync('.env.example', 'utf8').match(/^SECRET_KEY=(.+)$/m)?.[1] },
    ],
    ['says that it is to be changed', { SECRET_KEY: `${SECRET}-changeme` }],
    ['is one character', { SECRET_KEY: 'x'.repeat(64) }],
    ['is a word again and again', { SECRET_KEY: 'password123'.repeat(6) }],
    ['is made of a few characters', { SECRET_KEY: '0101100111010010110100101100101101' }],
  ])('refuses a secret that %s', (_what, env) => {
    expect(problems(env as Record<string, string>, ['secret'])).toEqual([expect.stringMatching(/^SECRET_KEY: /)]);
  });

  test('takes a secret of random characters, as long as its algorithm asks for', () => {
    for (const [ALGORITHM, length] of Object.entries({ HS256: 32, HS384: 48, HS512: 64 })) {
      const SECRET_KEY = SECRET.slice(0, length);
      expect(loadConfig(['secret'], { SECRET_KEY, ALGORITHM }).SECRET_KEY).toBe(SECRET_KEY);
    }
  });

  test.each(['RS256', 'EdDSA'])('asks for a key file, and for no secret, to sign by %s', (ALGORITHM) => {
    expect(problems({ ALGORITHM }, ['secret'])).toEqual([expect.stringMatching(/^PRIVATE_KEY_FILE: is not set/)]);
    expect(loadConfig(['secret'], { ALGORITHM, PRIVATE_KEY_FILE: 'key.pem' }).SECRET_KEY).toBe('');
  });

  test('refuses less memory for a hash than argon2 takes for its threads', () => {
    expect(problems({ PASSWORD_MEMORY_KIB: '15', PASSWORD_PARALLELISM: '2' })).toHaveLength(1);
    expect(loadConfig([], { PASSWORD_MEMORY_KIB: '16', PASSWORD_PARALLELISM: '2' }).PASSWORD_MEMORY_KIB).toBe(16);
  });

  test('has a unit and a meaning for each setting', () => {
    const settings = documentedSettings();
    expect(settings.length).toBeGreaterThan(20);
    for (const { name, unit, description } of settings) {
      expect(name).toMatch(/^[A-Z][A-Z_]+$/);
      expect(unit).not.toBe('');
      expect(description).toMatch(/\.$/);
    }
  });
});

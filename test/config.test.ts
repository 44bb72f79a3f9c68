import { describe, expect, test } from 'vitest';
import { documentedSettings, loadConfig } from '../src/config.ts';
import { TaskFlowError } from '../src/errors.ts';

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

  test('refuses a secret that is too short', () => {
    expect(problems({ SECRET_KEY: 'x'.repeat(31) }, ['secret'])).toHaveLength(1);
    expect(loadConfig(['secret'], { SECRET_KEY: 'x'.repeat(32) }).SECRET_KEY).toHaveLength(32);
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

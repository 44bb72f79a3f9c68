import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config.ts';
import type { TaskFlowError } from '../src/errors.ts';
import { type RedisServer, redisServer } from '../src/redis-settings.ts';

/** Any file that can be read. */
const FILE = fileURLToPath(import.meta.url);

const serverOf = (env: Record<string, string>): RedisServer => redisServer(loadConfig([], env), 'HIGH');

const problems = (env: Record<string, string>): string[] => {
  try {
    loadConfig([], env);
  } catch (error) {
    return (error as TaskFlowError).message.split('\n');
  }
  return [];
};

describe('where Redis is', () => {
  test.each<[string, Record<string, string>, RedisServer]>([
    ['nothing is said', {}, { kind: 'server', addresses: [{ host: '127.0.0.1', port: 6379 }] }],
    [
      'names',
      { REDIS_HOST_HIGH: 'redis_high', REDIS_PORT_HIGH: '6380', REDIS_USERNAME_HIGH: 'me', REDIS_PASSWORD_HIGH: 'p' },
      { kind: 'server', addresses: [{ host: 'redis_high', port: 6380 }], username: 'me', password: 'p' },
    ],
    ['an address of IPv6', { REDIS_HOST_HIGH: '::1' }, { kind: 'server', addresses: [{ host: '::1', port: 6379 }] }],
    [
      'TLS by names',
      { REDIS_TLS_HIGH: 'true', REDIS_CA_FILE_HIGH: FILE, REDIS_CERT_FILE_HIGH: FILE, REDIS_KEY_FILE_HIGH: FILE },
      {
        kind: 'server',
        addresses: [{ host: '127.0.0.1', port: 6379 }],
        tls: { caFile: FILE, certFile: FILE, keyFile: FILE },
      },
    ],
    [
      'a cluster by names',
      { REDIS_CLUSTER_HIGH: 'true', REDIS_HOST_HIGH: 'a,b:7001', REDIS_PORT_HIGH: '7000' },
      {
        kind: 'cluster',
        addresses: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 7001 },
        ],
      },
    ],
    [
      'Sentinels by names',
      { REDIS_SENTINEL_HIGH: 'mine', REDIS_HOST_HIGH: 'a:26379, b:26379', REDIS_SENTINEL_PASSWORD_HIGH: 's' },
      {
        kind: 'sentinel',
        addresses: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 26_379 },
        ],
        sentinel: { name: 'mine', password: 's' },
      },
    ],
    [
      'a URL',
      { REDIS_URL_HIGH: 'redis://me:p%40ss@[::1]:6380/0' },
      { kind: 'server', addresses: [{ host: '::1', port: 6380 }], username: 'me', password: 'p@ss' },
    ],
    [
      'a URL with TLS, and the password by its name',
      { REDIS_URL_HIGH: 'rediss://cache.example.com', REDIS_PASSWORD_HIGH: 'p', REDIS_CA_FILE_HIGH: FILE },
      {
        kind: 'server',
        addresses: [{ host: 'cache.example.com', port: 6379 }],
        password: 'p',
        tls: { caFile: FILE },
      },
    ],
    [
      'a URL of a cluster, beside a host that compose files set',
      { REDIS_URL_HIGH: 'rediss+cluster://:p@a:7000,b', REDIS_HOST_HIGH: 'redis_high' },
      {
        kind: 'cluster',
        addresses: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 6379 },
        ],
        password: 'p',
        tls: {},
      },
    ],
    [
      'a URL of Sentinels',
      { REDIS_URL_HIGH: 'redis+sentinel://:p@a,b:26380/mine' },
      {
        kind: 'sentinel',
        addresses: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 26_380 },
        ],
        password: 'p',
        sentinel: { name: 'mine' },
      },
    ],
  ])('is understood from %s', (_what, env, expected) => {
    expect(serverOf(env)).toEqual(expected);
  });

  test('is asked for each lane by itself', () => {
    const config = loadConfig([], { REDIS_URL_LOW: 'redis://low:1', REDIS_HOST_HIGH: 'high', REDIS_PORT_HIGH: '2' });
    expect(redisServer(config, 'HIGH').addresses).toEqual([{ host: 'high', port: 2 }]);
    expect(redisServer(config, 'LOW').addresses).toEqual([{ host: 'low', port: 1 }]);
  });

  test.each<[Record<string, string>, string[]]>([
    [{ REDIS_URL_HIGH: 'http://a' }, ['REDIS_URL_HIGH: must be redis://']],
    [{ REDIS_URL_HIGH: 'redis://a,b' }, ['REDIS_URL_HIGH: must be']],
    [{ REDIS_URL_HIGH: 'redis://a/3' }, ['REDIS_URL_HIGH: must be']],
    [{ REDIS_URL_HIGH: 'redis://a:70000' }, ['REDIS_URL_HIGH: must be']],
    [{ REDIS_URL_HIGH: 'redis://:%zz@a' }, ['REDIS_URL_HIGH: must be']],
    [{ REDIS_URL_LOW: 'redis+sentinel://a:26379' }, ['REDIS_URL_LOW: must be']],
    [{ REDIS_HOST_HIGH: 'a,b' }, ['REDIS_HOST_HIGH: names several hosts: set REDIS_CLUSTER_HIGH=true, or REDIS_SENT']],
    [{ REDIS_HOST_HIGH: 'a b', REDIS_CLUSTER_HIGH: 'true' }, ['REDIS_HOST_HIGH: must be a host, or several']],
    [{ REDIS_CLUSTER_LOW: 'true', REDIS_SENTINEL_LOW: 'x' }, ['REDIS_CLUSTER_LOW: a Redis Cluster needs no Sentinels']],
    [{ REDIS_SENTINEL_PASSWORD_HIGH: 'x' }, ['REDIS_SENTINEL_PASSWORD_HIGH: there are no Sentinels; set REDIS_SENT']],
    [{ REDIS_CA_FILE_HIGH: FILE }, ['REDIS_CA_FILE_HIGH: is for TLS: set REDIS_TLS_HIGH=true, or write rediss://']],
    [
      { REDIS_TLS_HIGH: 'true', REDIS_CA_FILE_HIGH: '/no/such/file', REDIS_CERT_FILE_HIGH: FILE },
      ['REDIS_KEY_FILE_HIGH: a certificate needs its key', 'REDIS_CA_FILE_HIGH: cannot read /no/such/file'],
    ],
    [
      { REDIS_URL_HIGH: 'redis://u:p@a', REDIS_TLS_HIGH: 'true', REDIS_PASSWORD_HIGH: 'q', REDIS_CLUSTER_HIGH: 'true' },
      [
        'REDIS_TLS_HIGH: write rediss in REDIS_URL_HIGH',
        'REDIS_CLUSTER_HIGH: write redis+cluster:// in REDIS_URL_HIGH',
        'REDIS_PASSWORD_HIGH: REDIS_URL_HIGH has another one',
      ],
    ],
  ])('is refused where it contradicts itself: %o', (env, beginnings) => {
    const found = problems(env);
    expect(found).toHaveLength(beginnings.length);
    beginnings.forEach((beginning, i) => {
      expect(found[i]).toContain(beginning);
    });
    // What is wrong with it is told without what it holds.
    expect(found.join()).not.toContain('u:p@');
  });
});

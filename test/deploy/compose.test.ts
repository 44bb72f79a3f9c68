import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { freePort } from '../../src/local/free-port.ts';
import { documentedSettings } from '../../src/settings.ts';
import { spawnCommand, spawnNode, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';
import { hasCompose, renderCompose, type Service } from './compose.ts';
import { NEEDS } from './needs.ts';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** Both files of settings have a placeholder, which is refused. */
const withSecret = (dotEnv: string): string => dotEnv.replace(/^SECRET_KEY=.*$/m, `SECRET_KEY=${SECRET}`);
const SECRET = randomBytes(32).toString('hex');
const example = await readFile(root('.env.example'), 'utf8');

/** Of the project that TaskFlow follows: whoever comes from there has this file. */
const OLD_ENV = `DATABASE_URL=""
SECRET_KEY=replace_with_a_secure_random_key
ALGORITHM=HS256
ACCESS_TOKEN_EXPIRE_MINUTES=180
REDIS_HOST_HIGH=redis_high
REDIS_PORT_HIGH=6379
REDIS_HOST_LOW=redis_low
REDIS_PORT_LOW=6379
RATE_LIMIT_PER_HOUR=1000
USER_RATE_LIMIT_PER_HOUR=500
MAX_FAILED_ATTEMPTS=10
LOCKOUT_DURATION_SECONDS=900
HEARTBEAT_INTERVAL_SECONDS=30
`;

/** Read by what is not ours. */
const OF_OTHERS = ['SERVICE_TYPE', 'POSTGRES_PASSWORD', 'POSTGRES_USER', 'POSTGRES_DB', 'PGPASSWORD', 'REDISCLI_AUTH'];
const OF_THE_PROXY = ['DNS', 'API', 'LISTEN'];

describe.skipIf(!hasCompose)('the compose file', () => {
  const compose = hasCompose ? renderCompose(example) : { services: {}, volumes: {}, networks: {} };
  const services = Object.entries(compose.services);
  const of = (name: string): Service => compose.services[name] as Service;

  test('has the services of the seed, a janitor, a one-shot migrate and a proxy', () => {
    const names = ['api', 'janitor', 'manager', 'migrate', 'postgres', 'proxy', 'redis_high', 'redis_low', 'worker'];
    expect(services.map(([name]) => name).sort()).toEqual(names);
  });

  test.each([
    ['the example', example],
    ['the old one', OLD_ENV],
  ])('gives each process settings that it starts with, from %s', (_name, dotEnv) => {
    const rendered = renderCompose(withSecret(dotEnv));
    for (const [name, needs] of Object.entries(NEEDS)) {
      const { environment = {} } = rendered.services[name] as Service;
      expect(environment.SERVICE_TYPE).toBe(name);
      expect(loadConfig(needs, environment)).toMatchObject({
        REDIS_HOST_HIGH: 'redis_high',
        REDIS_HOST_LOW: 'redis_low',
        HOST: '0.0.0.0',
      });
    }
  });

  test('names no setting that does not exist', () => {
    const known = new Set([...documentedSettings().map(({ name }) => name), ...OF_OTHERS, ...OF_THE_PROXY]);
    const named = services.flatMap(([, { environment }]) => Object.keys(environment ?? {}));
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('runs another process in place of the api when the shell says so', () => {
    expect(renderCompose(example, { SERVICE_TYPE: 'migrate' }).services.api?.environment?.SERVICE_TYPE).toBe('migrate');
  });

  test('gives the same password to PostgreSQL and to those who connect to it', () => {
    const rendered = renderCompose(`${OLD_ENV}POSTGRES_PASSWORD='a/b+c=@:'\n`).services;
    expect(rendered.postgres?.environment?.POSTGRES_PASSWORD).toBe('a/b+c=@:');
    for (const name of ['api', 'manager', 'janitor', 'migrate'])
      expect(rendered[name]?.environment?.PGPASSWORD).toBe('a/b+c=@:');
  });

  test('keeps the secrets of others from workers, whose tasks may run anything', () => {
    const { environment = {} } = renderCompose(`${OLD_ENV}POSTGRES_PASSWORD=hidden\n`).services.worker as Service;
    const secrets = ['SECRET_KEY', 'DATABASE_URL', 'PGPASSWORD', 'POSTGRES_PASSWORD'].map((name) => environment[name]);
    expect(secrets).toEqual(['', '', '', '']);
  });

  test('waits for the health of what has a health check', () => {
    const isChecked = ({ healthcheck }: Service): boolean => (healthcheck?.test?.[0] ?? 'NONE') !== 'NONE';
    for (const [, { depends_on = {} }] of services) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        const expected = isChecked(of(name)) ? 'service_healthy' : 'service_completed_successfully';
        expect({ name, condition }).toEqual({ name, condition: expected });
      }
    }
    expect(services.filter(([, service]) => !isChecked(service)).map(([name]) => name)).toEqual(['migrate', 'proxy']);
  });

  test.each(services)('%s has no rights that it does not need, and limits', (_name, service) => {
    expect(service).toMatchObject({
      init: true,
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      deploy: { resources: { limits: { cpus: expect.any(Number), memory: expect.stringMatching(/^\d+[mg]$/) } } },
    });
    // Ours has a user in its image.
    expect(service.build ? '1000:1000' : service.user).toMatch(/^(?!root|0)./);
  });

  test('starts again whatever ends, but for migrate', () => {
    for (const [name, { restart }] of services) expect(restart).toBe(name === 'migrate' ? 'no' : 'unless-stopped');
  });

  test('keeps data in named volumes', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes.map((mount) => mount.split(':')[0] as string));
    const named = mounts.filter((source) => !source.startsWith('/'));
    expect(named.sort()).toEqual(['files', 'postgres', 'redis_high', 'redis_low']);
    expect(Object.keys(compose.volumes).sort()).toEqual(named);
  });

  test('opens one port of the host, and PostgreSQL and Redis to nobody outside', () => {
    expect(services.filter(([, { ports }]) => ports).map(([name]) => name)).toEqual(['proxy']);
    expect(JSON.stringify(renderCompose(`${example}PORT=4321\n`).services.proxy?.ports)).toContain('4321');
    expect(compose.networks.data?.internal).toBe(true);
    for (const name of ['postgres', 'redis_high', 'redis_low'])
      expect(Object.keys(of(name).networks)).toEqual(['data']);
    expect(Object.keys(of('proxy').networks)).toEqual(['outside']);
  });

  test.each([
    ['a password', 'c0rrect-horse'],
    ['none', ''],
  ])('starts a Redis with %s that its health check reaches and others do not', async (_name, password) => {
    const port = String(await freePort());
    const service = renderCompose(`${OLD_ENV}REDIS_PASSWORD_HIGH=${password}\n`).services.redis_high as Service;
    const env = service.environment as Record<string, string>;
    const [shell, flag, script] = service.command as [string, string, string];
    const folder = await mkdtemp(join(tmpdir(), 'taskflow-redis-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const here = script.replace('redis-server -', `redis-server - --port ${port} --bind 127.0.0.1`);
    const server = spawnCommand(shell, [flag, here], env, folder);
    await server.waitForOutput(/Ready to accept connections/);

    const check = String(service.healthcheck?.test?.[1]).replace('redis-cli', `redis-cli -p ${port}`);
    expect(await spawnCommand('sh', ['-c', check], env).exit).toMatchObject({ code: 0 });
    const asUs = new Redis({ host: '127.0.0.1', port: Number(port), ...(password ? { password } : {}) });
    onTestFinished(() => asUs.disconnect());
    expect(await asUs.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await asUs.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    const stranger = await spawnCommand('sh', ['-c', check], {}).exit;
    expect(stranger.code).toBe(password ? 1 : 0);
    expect(await server.kill()).toMatchObject({ code: 0 });
  });
});

describe('the example .env', () => {
  test('names only settings that exist', () => {
    const known = new Set([...documentedSettings().map(({ name }) => name), ...OF_OTHERS]);
    for (const [, name] of example.matchAll(/^(\w+)=/gm)) expect(known).toContain(name);
  });
});

describe('the health check of the image', () => {
  const check = (env: Record<string, string>) => spawnNode([root('bin/docker-health.js')], env).exit;

  test('tells whether the process is ready, by its metrics port and else by that of the api', async () => {
    await using system = await startSystem({ settings: { METRICS_PORT: '0' } });
    const { port } = new URL(system.url);
    expect(await check({ PORT: port })).toMatchObject({ code: 0 });
    const [, metrics = ''] = await system.api.waitForOutput(/127\.0\.0\.1:(\d+)\/metrics/);
    expect(await check({ METRICS_PORT: metrics, PORT: '1' })).toMatchObject({ code: 0 });
    const dead = String(await freePort());
    expect(await check({ METRICS_PORT: dead, PORT: port })).toMatchObject({ code: 1 });
  });

  test('says no while the database is not migrated', async () => {
    await using system = await startSystem();
    await system.app.database.$executeRaw`DELETE FROM _prisma_migrations`;
    await waitFor(async () => (await check({ PORT: new URL(system.url).port })).code === 1);
  });
});

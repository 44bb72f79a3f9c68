import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { startRedis } from '../../src/local/redis.ts';

/** A folder with a program in it that prints this text, as the whole PATH. */
const onlyProgram = async (name: string, prints: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, name), `#!/bin/sh\necho '${prints}'\n`);
  await chmod(join(folder, name), 0o755);
  vi.stubEnv('PATH', folder);
  return folder;
};

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('looking for a Redis', () => {
  test('says in one line how to get one, where there is none and no apt-get', async () => {
    const folder = await onlyProgram('something-else', '');
    await expect(startRedis({ folder })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^Neither valkey-server nor redis-server was found; install it .*$/),
    });
  });

  test('refuses one that has no functions yet', async () => {
    const folder = await onlyProgram('redis-server', 'Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc');
    await expect(startRedis({ folder })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^redis-server is of version 6, but Redis 7.0 or newer/),
    });
  });

  test('says what apt-get said when it cannot install', async () => {
    const folder = await onlyProgram('apt-get', '');
    await writeFile(
      join(folder, 'apt-get'),
      `#!/bin/sh\n[ "$1" = --version ] || { echo 'E: no network' >&2; exit 100; }\n`,
    );
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    const lines: string[] = [];
    await expect(startRedis({ folder, onInstall: (line) => lines.push(line) })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^apt-get update failed: E: no network; Redis is needed: .*$/),
    });
    expect(lines).toEqual(['Redis is missing: installing redis-server with apt-get']);
  });
});

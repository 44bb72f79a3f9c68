import { describe, expect, test } from 'vitest';
import { Passwords } from '../../src/accounts/passwords.ts';

const cheap = new Passwords({ memoryKib: 64, passes: 1, parallelism: 1 });
const dear = new Passwords({ memoryKib: 128, passes: 2, parallelism: 2 });

describe('a password', () => {
  test('matches its hash, which says how it was made, and no other', async () => {
    const hash = await dear.hash('correct horse');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=128,p=2,t=2\$/);
    expect(await dear.matches(hash, 'correct horse')).toBe(true);
    expect(await dear.matches(hash, 'correct horsf')).toBe(false);
  });

  test('has another hash each time', async () => {
    expect(await cheap.hash('correct horse')).not.toBe(await cheap.hash('correct horse'));
  });

  test('matches a hash of other parameters, which counts as outdated', async () => {
    const old = await cheap.hash('correct horse');
    expect(await dear.matches(old, 'correct horse')).toBe(true);
    expect([cheap.isOutdated(old), dear.isOutdated(old)]).toEqual([false, true]);
  });

  test('matches no missing hash, not even the one that stands in for it', async () => {
    expect(await cheap.matches(undefined, 'nobody has this password')).toBe(false);
  });
});

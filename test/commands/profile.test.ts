import { describe, expect, test } from 'vitest';
import { toAddress } from '../../src/commands/profile.ts';

describe('the address of an API', () => {
  test.each([
    ['localhost:4000', 'http://localhost:4000'],
    ['tasks.example.com', 'https://tasks.example.com'],
    ['https://tasks.example.com/', 'https://tasks.example.com'],
    ['https://tasks.example.com/graphql', 'https://tasks.example.com'],
    ['https://tasks.example.com/graphql/', 'https://tasks.example.com'],
    ['https://tasks.example.com/queue/graphql', 'https://tasks.example.com/queue/graphql'],
    ['HTTP://Tasks.Example.com/api?x=1#y', 'http://tasks.example.com/api'],
  ])('of %s is %s', (written, address) => {
    expect(toAddress(written)).toBe(address);
  });

  test.each(['', 'ftp://tasks.example.com', 'http://'])('is not %j', (written) => {
    expect(() => toAddress(written)).toThrow('is no address of an API');
  });
});

import type { IncomingMessage } from 'node:http';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { addressGroup } from '../../src/accounts/address-group.ts';
import { createAddressReader } from '../../src/server/client-address.ts';
import { silent } from '../support/factory.ts';

const request = (peer: string, forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

describe('the address of a client', () => {
  test.each<[peer: string, forwarded: string | undefined, proxies: string[], address: string]>([
    ['192.0.2.1', undefined, [], '192.0.2.1'],
    ['::ffff:192.0.2.1', undefined, [], '192.0.2.1'],
    ['2001:db8::1', undefined, [], '2001:db8::1'],
    ['192.0.2.1', '198.51.100.7', [], '192.0.2.1'],
    ['192.0.2.1', '198.51.100.7', ['192.0.2.2'], '192.0.2.1'],
    ['192.0.2.1', '198.51.100.7', ['192.0.2.1'], '198.51.100.7'],
    ['::ffff:192.0.2.1', '198.51.100.7', ['192.0.2.0/24'], '198.51.100.7'],
    ['192.0.2.1', '1.1.1.1, 198.51.100.7', ['192.0.2.1'], '198.51.100.7'],
    ['192.0.2.1', '1.1.1.1, 198.51.100.7, 10.0.0.9', ['192.0.2.1', '10.0.0.0/8'], '198.51.100.7'],
    ['192.0.2.1', '10.0.0.8, 10.0.0.9', ['192.0.2.1', '10.0.0.0/8'], '10.0.0.8'],
    ['192.0.2.1', '198.51.100.7:4711', ['192.0.2.1'], '198.51.100.7'],
    ['192.0.2.1', '[2001:db8::7]:4711', ['192.0.2.1'], '2001:db8::7'],
    ['2001:db8::1', '2001:db8:1::7', ['2001:db8::/48'], '2001:db8:1::7'],
    ['192.0.2.1', 'unknown', ['192.0.2.1'], '192.0.2.1'],
    ['192.0.2.1', "1.1.1.1, '; DROP TABLE users", ['192.0.2.1'], '192.0.2.1'],
    ['192.0.2.1', '', ['192.0.2.1'], '192.0.2.1'],
  ])('of %s that forwards %j, where %j are trusted, is %s', (peer, forwarded, proxies, address) => {
    expect(createAddressReader(proxies, silent)(request(peer, forwarded))).toBe(address);
  });

  test('is told apart from what an untrusted peer says, with one line in the log', () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    const read = createAddressReader([], logger);
    for (let i = 0; i < 3; i++) read(request('192.0.2.1', '198.51.100.7'));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      peer: '192.0.2.1',
      msg: expect.stringContaining('TRUSTED_PROXIES'),
    });
  });
});

describe('limits', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['nonsense', 'nonsense'],
  ])('count %s as %s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});

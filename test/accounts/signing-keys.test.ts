import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { AccessTokens } from '../../src/accounts/access-tokens.ts';
import { readSigningKeys } from '../../src/accounts/signing-keys.ts';

const USER = { id: '01900000-0000-7000-8000-000000000000', tokenVersion: 0 };
const folder = mkdtempSync(join(tmpdir(), 'taskflow-test-'));
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
const fileOf = (content: string): string => {
  const file = join(folder, `${++files}.pem`);
  writeFileSync(file, content);
  return file;
};
const privateFile = (key: KeyObject) => fileOf(key.export({ type: 'pkcs8', format: 'pem' }) as string);
const publicFile = (key: KeyObject) => fileOf(key.export({ type: 'spki', format: 'pem' }) as string);

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ed25519 = generateKeyPairSync('ed25519');
const shortRsa = generateKeyPairSync('rsa', { modulusLength: 1_024 });

const read = (ALGORITHM: 'RS256' | 'EdDSA' | 'HS256', PRIVATE_KEY_FILE: string, PUBLIC_KEY_FILE = '') =>
  readSigningKeys({ ALGORITHM, SECRET_KEY: '', PRIVATE_KEY_FILE, PUBLIC_KEY_FILE });

describe('signing keys', () => {
  test.each([
    ['RS256', rsa],
    ['EdDSA', ed25519],
  ] as const)('of %s are read from files, the public one only where it is named', async (algorithm, pair) => {
    for (const publicKeyFile of ['', publicFile(pair.publicKey)]) {
      const keys = read(algorithm, privateFile(pair.privateKey), publicKeyFile);
      const tokens = new AccessTokens({ keys, issuer: 'i', audience: 'a', expiresInMinutes: 1, renewableDays: 1 });
      const { token } = await tokens.issue(USER);
      expect(await tokens.verify(token)).toMatchObject({ userId: USER.id });
    }
  });

  test.each<[string, () => unknown, RegExp]>([
    ['a file that is not there', () => read('RS256', join(folder, 'none.pem')), /^PRIVATE_KEY_FILE: .*ENOENT/],
    ['a file that holds no key', () => read('EdDSA', fileOf('hello')), /^PRIVATE_KEY_FILE: no key/],
    ['a public key as the private one', () => read('RS256', publicFile(rsa.publicKey)), /^PRIVATE_KEY_FILE: no key/],
    ['a key of another algorithm', () => read('RS256', privateFile(ed25519.privateKey)), /takes an RSA key/],
    ['the other way round', () => read('EdDSA', privateFile(rsa.privateKey)), /takes an Ed25519 key/],
    ['an RSA key of 1,024 bits', () => read('RS256', privateFile(shortRsa.privateKey)), /at least 2048 bits/],
    [
      'a public key of another pair',
      () => read('RS256', privateFile(rsa.privateKey), publicFile(shortRsa.publicKey)),
      /^PUBLIC_KEY_FILE: does not belong/,
    ],
  ])('are refused in one line for %s', (_what, make, message) => {
    let thrown: unknown;
    try {
      make();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringMatching(message) });
    expect((thrown as Error).message).not.toContain('\n');
  });
});

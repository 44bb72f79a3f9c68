import { afterAll, beforeAll, expect, test } from 'vitest';
import { CredentialUsage } from '../../src/accounts/credential-usage.ts';
import { OpenSessions } from '../../src/accounts/open-sessions.ts';
import type { Principal } from '../../src/accounts/principal.ts';
import { type ApiApp, setupApi } from '../support/api.ts';
import { silent } from '../support/factory.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const LONG_AGO = new Date('2026-01-01');

/** Whoever came with a new API key, last used long ago. */
const holderOfKey = async (): Promise<Principal & { apiKeyId: string }> => {
  const user = await app.user();
  const { 'x-api-key': apiKey = '' } = await app.keyOf(user);
  const principal = await app.services.authenticator.authenticate({ apiKey, authorization: undefined });
  if (principal?.apiKeyId === undefined) throw new Error('the key is not known');
  await app.database.apiKey.updateMany({ where: { userId: user.id }, data: { lastUsedAt: LONG_AGO } });
  return { ...principal, apiKeyId: principal.apiKeyId };
};

/** When the key was last used, after one check of a socket that is open with these credentials. */
const lastUseAfterCheck = async (principal: Principal & { apiKeyId: string }): Promise<number> => {
  const usage = new CredentialUsage(app.database, silent);
  const sessions = new OpenSessions(app.database, usage, silent, 3_600_000);
  sessions.add({ principal, expire: () => {} });
  await sessions.check();
  await usage.flush();
  sessions.close();
  const key = await app.database.apiKey.findUniqueOrThrow({ where: { id: principal.apiKeyId } });
  return key.lastUsedAt?.getTime() ?? 0;
};

test('an open socket counts as a use of its API key', async () => {
  expect(await lastUseAfterCheck(await holderOfKey())).toBeGreaterThan(Date.now() - 60_000);
});

test('a socket whose key was revoked does not', async () => {
  const principal = await holderOfKey();
  await app.database.apiKey.update({ where: { id: principal.apiKeyId }, data: { revokedAt: new Date() } });
  expect(await lastUseAfterCheck(principal)).toBe(LONG_AGO.getTime());
});

test('a socket with a watch token that was made with the key does not', async () => {
  const principal = { ...(await holderOfKey()), watched: {} };
  expect(await lastUseAfterCheck(principal as Principal & { apiKeyId: string })).toBe(LONG_AGO.getTime());
});

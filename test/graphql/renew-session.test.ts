import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, PASSWORD, setupApi } from '../support/api.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const RENEW = 'mutation { renewSession { token expiresAt user { id } } }';
const CHANGE = 'mutation ($current: String!) { changePassword(current: $current, new: "another one") { token } }';
const ME = '{ me { id } }';

describe('renewSession', () => {
  test('gives a further token of the same login, beside the present one', async () => {
    const user = await app.user();
    const { token, expiresAt } = (await user.call(RENEW)).data.renewSession;
    expect(new Date(expiresAt).getTime()).toBeGreaterThan(Date.now());
    for (const headers of [{ authorization: `Bearer ${token}` }, user.headers])
      expect((await app.call(ME, {}, headers)).data.me).toEqual({ id: user.id });
  });

  test('gives one that can be renewed, and that ends with a change of the password', async () => {
    const user = await app.user();
    const first = (await user.call(RENEW)).data.renewSession.token;
    const renewed = { authorization: `Bearer ${first}` };
    const second = (await app.call(RENEW, {}, renewed)).data.renewSession.token;
    await user.call(CHANGE, { current: PASSWORD });
    for (const token of [first, second])
      expect((await app.call(ME, {}, { authorization: `Bearer ${token}` })).status).toBe(401);
  });

  test('is refused to a login that another node has ended a moment ago', async () => {
    const user = await app.user();
    await user.call(ME);
    await app.database.user.update({ where: { id: user.id }, data: { tokenVersion: { increment: 1 } } });
    const { errors } = await user.call(RENEW);
    expect(errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED');
  });
});

import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, setupApi, type TestUser } from './api.ts';
import { silent } from './factory.ts';

/** An api that listens on a port, and somebody who is signed in there. */
export interface ServedApi {
  app: ApiApp;
  api: Api;
  user: TestUser;
  close: () => Promise<void>;
}

export const setupServedApi = async (): Promise<ServedApi> => {
  const app = await setupApi();
  const api = await startApi(app.config, silent);
  const close = async (): Promise<void> => {
    await api.close();
    await app.close();
  };
  return { app, api, user: await app.user(), close };
};

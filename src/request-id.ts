import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

const requests = new AsyncLocalStorage<{ id: string | undefined }>();

/** Ids that may stand in a log and in a header as they came. */
const SAFE_ID = /^[\w.:-]{1,128}$/;

/** The id that a client or a proxy gave its request; undefined for none, and for one that may not be passed on. */
export const givenRequestId = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && SAFE_ID.test(header) ? header : undefined;

/** Runs what answers a request, so that lines of the log name it. @param id default: one is made when it is first needed */
export const withRequestId = <T>(id: string | undefined, work: () => T): T => requests.run({ id }, work);

/** Of the request that is being answered; undefined outside of one. */
export const currentRequestId = (): string | undefined => {
  const request = requests.getStore();
  if (request) request.id ??= randomUUID();
  return request?.id;
};

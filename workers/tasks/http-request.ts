import { z } from 'zod';
import { DoNotRetryError, defineTask, RetryAfterError, type TaskDefinition } from '../runtime/define-task.ts';
import { checkUrl } from './allowed-hosts.ts';
import { type Answer, type Ask, ask } from './http-exchange.ts';
import { type Network, publicNetwork } from './public-network.ts';

const MAX_REDIRECTS = 5;
const MAX_BODY_LENGTH = 200_000;
const MAX_RESPONSE_BYTES = 512 * 1024;
const MAX_TIMEOUT_MS = 120_000;
const MAX_HEADERS = 50;

/** They say how the message is sent, which is not the task's business. */
const OWN_HEADERS =
  /^(?:host|connection|keep-alive|content-length|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|proxy-.*)$/i;
/** They are for the host that they were meant for. */
const SECRET_HEADERS = /^(?:authorization|cookie)$/i;

const Payload = z.object({
  url: z.string().max(4_096).describe('http or https; its host must be one of HTTP_ALLOWED_HOSTS'),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET').describe('What to do there'),
  headers: z
    .record(z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,100}$/), z.string().max(8_000))
    .default({})
    .describe('Up to 50, but for those that say how the message is sent'),
  body: z.string().max(MAX_BODY_LENGTH).optional().describe('Text, at most 200,000 characters'),
  json: z.json().optional().describe('Or a value that is sent as JSON'),
  timeoutMs: z.number().int().min(1).max(MAX_TIMEOUT_MS).default(10_000).describe('For all of it, with redirects'),
  maxBytes: z
    .number()
    .int()
    .min(0)
    .max(MAX_RESPONSE_BYTES)
    .default(262_144)
    .describe('Of the answer; more is an error'),
  anyStatus: z
    .boolean()
    .default(false)
    .describe('Completes with whatever status. Default: 408, 429 and 5xx are tried again, others than 2xx fail'),
});

type Wish = z.output<typeof Payload>;

/**
 * @param allowedHosts as HTTP_ALLOWED_HOSTS has them
 * @param network default: the open internet, and no other address
 */
export const httpRequest = (allowedHosts: readonly string[], network: Network = publicNetwork): TaskDefinition =>
  defineTask({
    type: 'http.request',
    payload: Payload,
    handler: async ({ payload, signal }) => {
      const answer = await follow(payload, allowedHosts, network, signal);
      if (!payload.anyStatus) refuseStatus(answer);
      const { body, ...rest } = answer;
      return { ...rest, ...describeBody(body) };
    },
  });

/** Asks, and asks on where it is sent to. Each place is checked as the first one was. */
const follow = async (
  wish: Wish,
  allowedHosts: readonly string[],
  network: Network,
  signal: AbortSignal,
): Promise<Answer & { url: string; redirects: number }> => {
  const inTime = AbortSignal.timeout(wish.timeoutMs);
  let next = firstAsk(wish, checkUrl(wish.url, allowedHosts));
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await ask(next, {
      network,
      maxBytes: wish.maxBytes,
      signal: AbortSignal.any([signal, inTime]),
    }).catch((error) => {
      signal.throwIfAborted();
      if (!inTime.aborted) throw error;
      const message = `"${next.url.host}" did not answer within ${wish.timeoutMs} ms`;
      throw Object.assign(new Error(message, { cause: error }), { code: 'HTTP_TIMEOUT' });
    });
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) {
      return { ...answer, url: next.url.href, redirects };
    }
    next = redirected(next, answer.status, checkUrl(location, allowedHosts, next.url));
  }
  throw new DoNotRetryError(`more than ${MAX_REDIRECTS} redirects`, { code: 'TOO_MANY_REDIRECTS' });
};

const firstAsk = ({ method, headers, body, json }: Wish, url: URL): Ask => {
  const names = Object.keys(headers);
  const refused = names.find((name) => OWN_HEADERS.test(name));
  if (refused !== undefined || names.length > MAX_HEADERS) {
    const message =
      refused === undefined ? `more than ${MAX_HEADERS} headers` : `the header "${refused}" cannot be given`;
    throw new DoNotRetryError(message, { code: 'HEADER_NOT_ALLOWED' });
  }
  if (body !== undefined && json !== undefined) {
    throw new DoNotRetryError('give either "body" or "json"', { code: 'INVALID_PAYLOAD' });
  }
  if (json === undefined) return { url, method, headers, body };
  const hasType = names.some((name) => name.toLowerCase() === 'content-type');
  return {
    url,
    method,
    headers: hasType ? headers : { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(json),
  };
};

/** As browsers do it: 303, and 301 and 302 of a POST, ask on with GET. What is secret goes to no other origin. */
const redirected = ({ url, method, headers, body }: Ask, status: number, target: URL): Ask => {
  if (url.protocol === 'https:' && target.protocol === 'http:') {
    throw new DoNotRetryError(`a redirect leads from https to ${target.href}`, { code: 'URL_NOT_ALLOWED' });
  }
  const becomesGet = (status === 303 && method !== 'HEAD') || (status < 303 && method === 'POST');
  const kept = Object.entries(headers).filter(
    ([name]) =>
      (target.origin === url.origin || !SECRET_HEADERS.test(name)) && !(becomesGet && /^content-/i.test(name)),
  );
  return {
    url: target,
    method: becomesGet ? 'GET' : method,
    headers: Object.fromEntries(kept),
    body: becomesGet ? undefined : body,
  };
};

const refuseStatus = ({ status, headers, body }: Answer): void => {
  if (status >= 200 && status < 300) return;
  const message = `the answer was ${status}: ${body.toString('utf8', 0, 500)}`;
  const code = `HTTP_${status}`;
  if (status !== 408 && status !== 429 && status < 500) throw new DoNotRetryError(message, { code });
  const delayMs = delayOf(headers['retry-after']);
  throw delayMs === undefined
    ? Object.assign(new Error(message), { code })
    : new RetryAfterError(message, delayMs, { code });
};

const LONGEST_DELAY_MS = 24 * 60 * 60 * 1_000;

/** @param retryAfter seconds, or a date */
const delayOf = (retryAfter: string | undefined): number | undefined => {
  if (retryAfter === undefined) return undefined;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_DELAY_MS);
};

/** Text where it is UTF-8 that can be kept, base64 otherwise. */
const describeBody = (body: Buffer): { bytes: number; text?: string; base64?: string } => {
  const bytes = body.length;
  const text = body.toString('utf8');
  const isText = !body.includes(0) && Buffer.from(text).equals(body);
  return isText ? { bytes, text } : { bytes, base64: body.toString('base64') };
};

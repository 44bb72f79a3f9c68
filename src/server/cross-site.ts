import type { IncomingMessage, ServerResponse } from 'node:http';

/** Requests with these content types, and with none, browsers send to other sites without asking them first. */
const SIMPLE_TYPES = /^ *(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain) *(;|$)/i;
/** Headers that browsers send to other sites only after these have allowed it. */
const TELLING_HEADERS = ['authorization', 'x-api-key', 'x-graphql-yoga-csrf', 'apollo-require-preflight'] as const;
/** Browsers may remember for a day that a request is allowed. */
const PREFLIGHT_SECONDS = '86400';
const EXPOSED = 'RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After';
const ALLOWED = 'Content-Type, Authorization, X-API-Key, X-GraphQL-Yoga-CSRF, Apollo-Require-Preflight';

export const FORGERY_MESSAGE = `Any web page could have made a browser send this. Send the content type application/json, or one of the headers ${TELLING_HEADERS.join(', ')}.`;

/** Could a page of another site have had this sent by the browser of somebody who only looks at it? */
export const mayBeForged = ({ headers }: IncomingMessage): boolean => {
  const type = headers['content-type'];
  if (type !== undefined && !SIMPLE_TYPES.test(type)) return false;
  return TELLING_HEADERS.every((name) => headers[name] === undefined);
};

/** Which pages may use the api, beside those that it serves itself. */
export class AllowedOrigins {
  readonly #origins: ReadonlySet<string>;

  /** @param origins as "https://example.com"; "*" for all */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** Lets the browser show the answer to the page that asked. */
  allow({ headers }: IncomingMessage, response: ServerResponse): void {
    if (this.#origins.size === 0) return;
    response.setHeader('vary', 'Origin');
    const { origin } = headers;
    if (origin === undefined || !this.#has(origin)) return;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', EXPOSED);
  }

  /** Answers what browsers ask before they send a request to another site. */
  answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
    const { origin } = headers;
    if (origin !== undefined && this.#has(origin)) {
      response.setHeader('access-control-allow-methods', 'GET, POST');
      response.setHeader('access-control-allow-headers', ALLOWED);
      response.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
    }
    response.setHeader('allow', 'GET, POST, OPTIONS');
    response.writeHead(204).end();
  }

  /** May this page open a socket? Programs that are no browsers name no origin. */
  maySocket({ headers }: IncomingMessage): boolean {
    const { origin, host } = headers;
    if (origin === undefined || this.#has(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  }

  #has(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin);
  }
}

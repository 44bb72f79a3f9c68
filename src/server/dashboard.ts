import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import { DASHBOARD_POLICY, setSecurityHeaders } from './security-headers.ts';

const BUILT = fileURLToPath(new URL('../../web/dist', import.meta.url));
/** Where its pages are: what is below them is a page as well, which the dashboard draws itself. */
const PAGES = ['login', 'sign-up', 'tasks', 'submit', 'flows', 'schedules', 'workers', 'keys', 'admin', 'account'];
const PAGE = new RegExp(`^/(?:$|(?:${PAGES.join('|')})(?:/|$))`);
/** Files whose names carry a hash of their contents. */
const HASHED = '/assets/';
const YEAR_SECONDS = 31_536_000;

const NOT_BUILT = `The dashboard is not built. Run "npm run generate" in the folder of TaskFlow, then start the api again.
GraphQL is at /graphql.
`;

type Serve = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/**
 * Serves the dashboard's files, compressed ahead, and its first page wherever one of its pages is.
 *
 * @param folder of the build. Default: the one that bin/start.js makes
 * @returns what answers a request, or calls `next` where there is neither a file nor a page
 */
export const createDashboard = (folder = BUILT): Serve => {
  if (!existsSync(join(folder, 'index.html'))) return answerNotBuilt;
  const serveFile = sirv(folder, {
    brotli: true,
    gzip: true,
    etag: true,
    single: true,
    ignores: [new RegExp(`^(?!${PAGE.source.slice(1)})`)],
  });
  return (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    setFileHeaders(request, response);
    serveFile(request, response, () => {
      setSecurityHeaders(response);
      next();
    });
  };
};

/** Also for a 304: browsers then take its headers for those of the file. */
const setFileHeaders = ({ url = '' }: IncomingMessage, response: ServerResponse): void => {
  const isHashed = url.startsWith(HASHED);
  response.setHeader('cache-control', isHashed ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
  response.setHeader('content-security-policy', DASHBOARD_POLICY);
};

const answerNotBuilt: Serve = (request, response, next) => {
  if (!PAGE.test(request.url?.split('?')[0] ?? '')) return next();
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end(NOT_BUILT);
};

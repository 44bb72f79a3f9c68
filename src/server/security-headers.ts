import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** For every answer. Answers are data: no page may show them, and nothing of them may run. */
const HEADERS: ReadonlyMap<string, string> = new Map([
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['cache-control', 'no-store'],
]);

export const setSecurityHeaders = (response: ServerResponse): void => {
  for (const [name, value] of HEADERS) response.setHeader(name, value);
};

/**
 * The policy of the dashboard: its own files, and the API that it came from. Nothing inline runs, and no text becomes
 * a page or a script by itself (trusted types).
 */
export const DASHBOARD_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const INLINE_SCRIPT = /<script>([\s\S]*?)<\/script>/g;

/**
 * The policy of a page that brings everything along: its own scripts, named by their hashes, and no others. Styles may
 * stand anywhere, since editors set them on elements. Editors work in workers made from blobs.
 */
export const pagePolicy = (html: string): string => {
  const hashes = [...html.matchAll(INLINE_SCRIPT)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  return [
    "default-src 'none'",
    `script-src ${hashes.join(' ')} blob:`,
    'worker-src blob:',
    "style-src 'unsafe-inline'",
    'img-src data:',
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
};

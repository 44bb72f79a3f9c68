import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDashboard } from '../../src/server/dashboard.ts';
import { setSecurityHeaders } from '../../src/server/security-headers.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskflow-test-'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), '<!doctype html>the page');
  await writeFile(join(folder, 'assets', 'index-abc.js'), 'plain');
  await writeFile(join(folder, 'assets', 'index-abc.js.br'), 'brotli');
  await writeFile(join(folder, 'assets', 'index-abc.js.gz'), 'gzip');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Answer {
  status: number;
  headers: Headers;
  body: string;
}

/** Asks a server that has nothing but the dashboard. */
const ask = async (path: string, init: RequestInit = {}, built = folder): Promise<Answer> => {
  const serve = createDashboard(built);
  const server = createServer((request, response) => {
    setSecurityHeaders(response);
    serve(request, response, () => response.writeHead(404).end('nothing'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, init);
    return { status: response.status, headers: response.headers, body: await response.text() };
  } finally {
    server.closeAllConnections();
    server.close();
  }
};

describe('the dashboard', () => {
  test.each(['/', '/tasks', '/tasks/0190', '/login?next=%2Ftasks', '/flows/x', '/admin'])(
    'has a page at %s',
    async (path) => {
      const response = await ask(path);
      expect(response.status).toBe(200);
      expect(response.body).toContain('the page');
      expect(response.headers.get('cache-control')).toBe('no-cache');
    },
  );

  test.each(['/nothing', '/taskss', '/assets/missing.js', '/.input-hash', '/../package.json', '/x/tasks'])(
    'has nothing at %s',
    async (path) => {
      const { status, headers } = await ask(path);
      expect(status).toBe(404);
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get('cache-control')).toBe('no-store');
    },
  );

  test('answers GET and HEAD only', async () => {
    expect((await ask('/', { method: 'POST' })).status).toBe(404);
    const head = await ask('/', { method: 'HEAD' });
    expect({ status: head.status, body: head.body }).toEqual({ status: 200, body: '' });
  });

  test('lets browsers keep files with a hash in their names for a year, and not ask again', async () => {
    const { headers } = await ask('/assets/index-abc.js', { method: 'HEAD' });
    expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  test('tells browsers whose page is as it was that it is', async () => {
    const etag = (await ask('/')).headers.get('etag') ?? '';
    const { status, headers } = await ask('/', { headers: { 'if-none-match': etag } });
    expect(status).toBe(304);
    // Browsers take these for the page's.
    expect(headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(headers.get('cache-control')).toBe('no-cache');
  });

  test.each([
    ['br, gzip', 'br'],
    ['gzip', 'gzip'],
    ['identity', null],
  ])('sends what was compressed ahead to who accepts %s', async (accepted, encoding) => {
    const { headers } = await ask('/assets/index-abc.js', { method: 'HEAD', headers: { 'accept-encoding': accepted } });
    expect(headers.get('content-encoding')).toBe(encoding);
    expect(headers.get('vary')).toBe('Accept-Encoding');
  });

  test('runs nothing but its own files', async () => {
    const policy = (await ask('/')).headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });
});

describe('a dashboard that is not built', () => {
  test('says how to build it, at its pages only', async () => {
    const response = await ask('/', {}, join(folder, 'missing'));
    expect(response.status).toBe(404);
    expect(response.body).toContain('npm run generate');
    expect((await ask('/x', {}, join(folder, 'missing'))).body).toBe('nothing');
  });
});

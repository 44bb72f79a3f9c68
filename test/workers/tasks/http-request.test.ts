import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { httpRequest } from '../../../workers/tasks/http-request.ts';
import { isPublicAddress, type Network, publicNetwork } from '../../../workers/tasks/public-network.ts';
import { runTask } from './support.ts';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

let port = 0;
let seen: Seen[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
  response.end('hello');
const listener: RequestListener = (request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => (body += text));
  request.on('end', () => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    answer(request, response);
  });
};
const server = createServer(listener);

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());
beforeEach(() => {
  seen = [];
  answer = (_request, response) => response.end('hello');
});

/** As if this machine's server stood somewhere in the internet: names lead to it, and its address counts as public. */
const network: Network = {
  resolve: (_host, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
  isAllowed: (address) => address === '127.0.0.1' || isPublicAddress(address),
};
const rules = () => [`api.example.com:${port}`, `*.example.org:${port}`];
const base = () => `http://api.example.com:${port}`;

const call = (payload: object, options: { network?: Network; rules?: string[]; signal?: AbortSignal } = {}) =>
  runTask(
    httpRequest(options.rules ?? rules(), options.network ?? network),
    payload,
    options.signal ? { signal: options.signal } : {},
  );
const refuses = (payload: object, code: string, options?: Parameters<typeof call>[1]) =>
  expect(call(payload, options)).rejects.toMatchObject({ name: 'DoNotRetryError', code });

describe('a request', () => {
  test('is sent as it is asked for, and its answer is the result', async () => {
    answer = (_request, response) => response.writeHead(201, { 'x-made': 'yes' }).end('grüße');
    const payload = { url: `${base()}/things?a=1`, method: 'POST', headers: { 'X-Own': 'mine' }, json: { a: [1] } };
    expect(await call(payload)).toMatchObject({
      status: 201,
      url: `${base()}/things?a=1`,
      redirects: 0,
      headers: { 'x-made': 'yes' },
      text: 'grüße',
      bytes: 7,
    });
    expect(seen).toMatchObject([
      {
        method: 'POST',
        url: '/things?a=1',
        headers: { host: `api.example.com:${port}`, 'x-own': 'mine', 'content-type': 'application/json' },
        body: '{"a":[1]}',
      },
    ]);
  });

  test('gives what is no text as base64', async () => {
    answer = (_request, response) => response.end(Buffer.from([0xff, 0, 1]));
    expect(await call({ url: base() })).toMatchObject({ bytes: 3, base64: '/wAB' });
  });

  test.each([
    [404, { name: 'DoNotRetryError', code: 'HTTP_404' }],
    [503, { name: 'Error', code: 'HTTP_503' }],
    [429, { name: 'RetryAfterError', code: 'HTTP_429', delayMs: 7_000 }],
  ])('fails with the status %s', async (status, failure) => {
    answer = (_request, response) =>
      response.writeHead(status, status === 429 ? { 'retry-after': '7' } : {}).end('sorry');
    await expect(call({ url: base() })).rejects.toMatchObject({
      ...failure,
      message: `the answer was ${status}: sorry`,
    });
    expect(await call({ url: base(), anyStatus: true })).toMatchObject({ status, text: 'sorry' });
  });

  test('that takes too long, or is called off, ends', async () => {
    answer = () => {};
    await expect(call({ url: base(), timeoutMs: 50 })).rejects.toMatchObject({ code: 'HTTP_TIMEOUT' });
    const controller = new AbortController();
    answer = () => controller.abort(new Error('cancelled'));
    await expect(call({ url: base() }, { signal: controller.signal })).rejects.toThrow('cancelled');
    // Also in the middle of the answer.
    answer = (_request, response) => response.write('half');
    await expect(call({ url: base(), timeoutMs: 50 })).rejects.toMatchObject({ code: 'HTTP_TIMEOUT' });
  });

  test('reads no more than it may', async () => {
    answer = (_request, response) => response.end('x'.repeat(1_000));
    expect(await call({ url: base(), maxBytes: 1_000 })).toMatchObject({ bytes: 1_000 });
    await refuses({ url: base(), maxBytes: 999 }, 'RESPONSE_TOO_LARGE');
    answer = (_request, response) => {
      const flood = (): void => {
        while (response.write('x'.repeat(65_536)));
      };
      response.on('drain', flood);
      flood();
    };
    await refuses({ url: base() }, 'RESPONSE_TOO_LARGE');
  });

  test('may not say how the message is sent', async () => {
    for (const name of ['Host', 'connection', 'Transfer-Encoding', 'Proxy-Authorization']) {
      await refuses({ url: base(), headers: { [name]: 'x' } }, 'HEADER_NOT_ALLOWED');
    }
    await refuses({ url: base(), body: 'a', json: 1 }, 'INVALID_PAYLOAD');
    await expect(call({ url: base(), headers: { a: 'x\r\nHost: y' } })).rejects.toThrow();
    expect(seen).toEqual([]);
  });
});

describe('redirects', () => {
  const redirect = (status: number, location: string) => {
    answer = (request, response) =>
      request.url === '/' ? response.writeHead(status, { location }).end() : response.end('there');
  };
  const secrets = { Authorization: 'Bearer x', cookie: 'a=b', 'X-Own': 'mine' };

  test.each([
    [303, 'GET', ''],
    [302, 'GET', ''],
    [307, 'POST', 'data'],
    [308, 'POST', 'data'],
  ])('with %s are followed as browsers do', async (status, method, body) => {
    redirect(status, '/next');
    const result = await call({ url: base(), method: 'POST', body: 'data', headers: secrets });
    expect(result).toMatchObject({ url: `${base()}/next`, redirects: 1, text: 'there' });
    expect(seen[1]).toMatchObject({ method, body, url: '/next', headers: { authorization: 'Bearer x' } });
  });

  test('to another host take no secrets along', async () => {
    redirect(307, `http://www.example.org:${port}/next`);
    await call({ url: base(), headers: secrets });
    expect(seen[1]?.headers).toMatchObject({ host: `www.example.org:${port}`, 'x-own': 'mine' });
    expect(seen[1]?.headers).not.toHaveProperty('authorization');
    expect(seen[1]?.headers).not.toHaveProperty('cookie');
  });

  test('to where nothing may be asked are refused', async () => {
    redirect(302, `http://elsewhere.example.net:${port}/`);
    await refuses({ url: base() }, 'HOST_NOT_ALLOWED');
    redirect(302, 'file:///etc/passwd');
    await refuses({ url: base() }, 'URL_NOT_ALLOWED');
    redirect(302, `http://169.254.169.254:${port}/latest/meta-data`);
    await refuses({ url: base() }, 'ADDRESS_NOT_ALLOWED', { rules: [...rules(), `*:${port}`] });
  });

  test('without an end are refused', async () => {
    answer = (_request, response) => response.writeHead(302, { location: '/' }).end();
    await refuses({ url: base() }, 'TOO_MANY_REDIRECTS');
    expect(seen).toHaveLength(6);
  });
});

describe('whom it may ask', () => {
  test.each([
    'http://other.example.com/',
    'http://example.org/',
    'http://evilexample.org/',
    'http://api.example.com.evil.net/',
    'https://api.example.com/',
    'http://api.example.com:1/',
  ])('is not %s', (url) => refuses({ url }, 'HOST_NOT_ALLOWED'));

  test.each(['ftp://api.example.com/', 'file:///etc/passwd', 'api.example.com', 'http://a:b@api.example.com/', ''])(
    'is not by the URL "%s"',
    (url) => refuses({ url }, 'URL_NOT_ALLOWED'),
  );

  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'http://[fd00:ec2::254]/',
    'http://[64:ff9b::7f00:1]/',
    'http://168.63.129.16/',
    'http://localhost/',
  ])('is not %s, even where any host may be asked', (url) =>
    refuses({ url }, 'ADDRESS_NOT_ALLOWED', { rules: ['*'], network: publicNetwork }),
  );

  test('is not a name that leads to a private address, nor one that has it among others', async () => {
    for (const addresses of [['127.0.0.1'], ['8.8.8.8', '10.1.2.3'], ['::ffff:192.168.0.1'], []]) {
      const resolve: Network['resolve'] = (_host, done) =>
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
      await refuses({ url: 'http://rebound.example.com/' }, 'ADDRESS_NOT_ALLOWED', {
        rules: ['*.example.com'],
        network: { ...publicNetwork, resolve },
      });
    }
  });

  test('is only the address that was checked: the name is looked up once', async () => {
    let lookups = 0;
    const resolve: Network['resolve'] = (_host, done) => {
      lookups++;
      done(null, [{ address: lookups === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]);
    };
    expect(await call({ url: base() }, { network: { ...network, resolve } })).toMatchObject({ status: 200 });
    expect(lookups).toBe(1);
  });

  test('are public addresses', () => {
    for (const address of ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8']) expect(isPublicAddress(address)).toBe(true);
    for (const address of [
      '0.0.0.0',
      '100.64.0.1',
      '224.0.0.1',
      '2002:7f00:1::',
      'fe80::1',
      '2001:db8::1',
      'x',
      '4000::1',
    ]) {
      expect(isPublicAddress(address)).toBe(false);
    }
  });
});

import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { openSocket, request } from '../../src/local/graphql-client.ts';
import { spawnCommand, spawnProcess, type TestProcess, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';
import { hasCompose, renderCompose } from './compose.ts';

const CONFIG = fileURLToPath(new URL('../../deploy/compose/haproxy.cfg', import.meta.url));

const hasProxy = spawnSync('haproxy', ['-v']).status === 0;
if (!hasProxy && process.env.CI) throw new Error('haproxy is missing; see .ci/run');

/** The first question of a DNS message: its bytes, and whether it asks for IPv4 addresses. */
const questionOf = (message: Buffer): { bytes: Buffer; isA: boolean } => {
  let end = 12;
  while (message[end]) end += (message[end] as number) + 1;
  return { bytes: message.subarray(12, end + 5), isA: message.readUInt16BE(end + 1) === 1 };
};

/** As Docker's: every name stands for all these addresses. */
const serveNames = async (addresses: readonly string[]): Promise<Socket> => {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => {
    const { bytes, isA } = questionOf(message);
    const found = isA ? addresses : [];
    const header = Buffer.from([...message.subarray(0, 2), 0x81, 0x80, 0, 1, 0, found.length, 0, 0, 0, 0]);
    const records = found.map((each) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...each.split('.').map(Number)]),
    );
    socket.send(Buffer.concat([header, bytes, ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return socket;
};

const startProxy = async (addresses: readonly string[], apiPort: string): Promise<string> => {
  const names = await serveNames(addresses);
  const port = await freePort();
  const env = {
    DNS: `127.0.0.1:${names.address().port}`,
    API: `api.test:${apiPort}`,
    LISTEN: `127.0.0.1:${port}`,
  };
  spawnCommand('haproxy', ['-db', '-f', CONFIG], env);
  const url = `http://127.0.0.1:${port}`;
  await waitFor(async () => (await fetch(`${url}/readyz`)).ok);
  return url;
};

/** Asks again and again until told to stop. @returns what each answer was */
const keepAsking = (url: string): { stop(): Promise<string[]> } => {
  const answers: string[] = [];
  let isAsking = true;
  const asking = (async () => {
    while (isAsking) answers.push(await request(url, '{ __typename }', {}).then(String, String));
  })();
  return {
    stop: async () => {
      isAsking = false;
      await asking;
      return answers;
    },
  };
};

describe.skipIf(!hasProxy || !hasCompose)('the proxy of the compose file', () => {
  test('has the settings that its configuration reads', () => {
    const { environment } = renderCompose('').services.proxy ?? {};
    expect(spawnSync('haproxy', ['-c', '-f', CONFIG], { env: { PATH: process.env.PATH, ...environment } }).status).toBe(
      0,
    );
  });

  test('spreads requests over the apis that are ready, while one after the other is replaced', async () => {
    const DRAIN_MS = renderCompose('').services.api?.environment?.SHUTDOWN_DRAIN_MS as string;
    await using system = await startSystem();
    const { port } = new URL(system.url);
    const startOn = async (HOST: string): Promise<TestProcess> => {
      const api = spawnProcess(['api'], { ...system.app.env, HOST, SHUTDOWN_DRAIN_MS: DRAIN_MS });
      await api.waitForOutput(/"msg":"started"/);
      return api;
    };
    await system.api.kill();
    const hosts = ['127.0.0.1', '127.0.0.2'];
    const apis = await Promise.all(hosts.map(startOn));
    const url = await startProxy(hosts, port);
    const asking = keepAsking(url);
    for (const [i, host] of hosts.entries()) {
      expect(await apis[i]?.kill()).toEqual({ code: 0, signal: null });
      await startOn(host);
      // The other one is next: it must not be the only one that the proxy knows of.
      await waitFor(async () => (await fetch(`http://${host}:${port}/readyz`)).ok);
      for (let n = 0; n < 20; n++) expect((await fetch(`${url}/readyz`)).status).toBe(200);
    }
    expect(new Set(await asking.stop())).toEqual(new Set(['[object Object]']));
  });

  test('passes sockets and streams through, and tells the api whose they are', async () => {
    await using system = await startSystem({ settings: { TRUSTED_PROXIES: '127.0.0.0/8', RATE_LIMIT_PER_HOUR: '3' } });
    const url = await startProxy(['127.0.0.1'], new URL(system.url).port);
    const socket = openSocket(url, { authorization: `Bearer ${system.token}` });
    onTestFinished(() => void socket.dispose());
    const [id = ''] = await system.submit(1, 'echo', 1);
    const events = socket.iterate({ query: `subscription { taskUpdated(id: "${id}") { status } }` });
    expect(await events.next()).toMatchObject({ value: { data: { taskUpdated: { status: 'QUEUED' } } } });

    // Whoever makes up an address of their own stays whom they are: one limit for all of these.
    const ask = (forged: string) =>
      fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': forged },
        body: '{"query":"{ __typename }"}',
      });
    const statuses: number[] = [];
    for (let i = 1; i <= 6; i++) statuses.push((await ask(`203.0.113.${i}`)).status);
    expect(statuses.at(-1)).toBe(429);
  });
});

import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, Prisma, queryDirectly } from '../../src/database/client.ts';
import { isDatabaseOutage } from '../../src/outages.ts';
import { setup, type TestApp } from '../support/setup.ts';

let app: TestApp;
beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());

const field = (name: string, value: string): string => `${name}${value}\0`;
const FIELDS = `${field('S', 'FATAL')}${field('V', 'FATAL')}${field('C', '57P01')}${field('M', 'terminating connection')}\0`;
/** What a backend says when the server shuts down. */
const SHUTTING_DOWN = Buffer.concat([Buffer.from('E'), Buffer.alloc(4), Buffer.from(FIELDS)]);
SHUTTING_DOWN.writeInt32BE(SHUTTING_DOWN.length - 1, 1);
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** PostgreSQL, whose connections end in the moment in which they are ready, as where it is shut down just then. */
const startClosingServer = async (databaseUrl: string) => {
  const { hostname, port } = new URL(databaseUrl);
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      if (chunk.subarray(-READY.length).equals(READY)) client.end(Buffer.concat([chunk, SHUTTING_DOWN]));
      else client.write(chunk);
    });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return { url: url.href, close: () => server.close() };
};

// What nobody listens to ends a process: Vitest says so of this one, too.
test('a connection that ends as it begins is an outage, and ends no process', async () => {
  const server = await startClosingServer(app.databaseUrl);
  const database = openDatabase({ url: server.url, poolSize: 10, timeoutMs: 5_000 });
  const attempts = [
    () => queryDirectly(database, Prisma.sql`SELECT 1`),
    () => database.$queryRaw`SELECT 1`,
    () => database.$transaction((transaction) => transaction.$queryRaw`SELECT 1`),
  ];
  for (const attempt of attempts) {
    const failure: unknown = await attempt().catch((error: unknown) => error);
    expect(isDatabaseOutage(failure), String(failure)).toBe(true);
  }
  await database.$disconnect();
  server.close();
});

import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { QueueWatcher } from '../../src/queues/watch-queues.ts';
import { startApi } from '../../src/server/api.ts';
import { setupApi } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { type ServedApi, setupServedApi } from '../support/served-api.ts';

let { app, api, user, close } = {} as ServedApi;

beforeAll(async () => {
  ({ app, api, user, close } = await setupServedApi());
});
afterAll(() => close());

const begin = (query: string, more: RequestInit = {}, headers = user.headers) =>
  fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query }),
    ...more,
  });

/** The data of the events of a whole stream. */
const dataOf = (text: string) => [...text.matchAll(/^data: (.+)$/gm)].map(([, json]) => JSON.parse(json as string));

describe('Server-Sent Events', () => {
  test('carry a subscription until its end', async () => {
    const { data } = await user.call(
      'mutation { createTask(input: { type: "echo", queue: "sse" }) { id type queue } }',
    );
    const response = await begin(`subscription { taskEvents(id: "${data.createTask.id}") { seq status } }`);
    expect(response.headers.get('content-type')).toMatch('text/event-stream');
    await app.live.begin(data.createTask);
    await app.live.complete(data.createTask);
    const text = await response.text();
    expect(dataOf(text).map((event) => event.data.taskEvents.status)).toEqual(['QUEUED', 'PROCESSING', 'COMPLETED']);
    expect(text).toMatch(/event: complete/);
  });

  test('carry the error of a subscription that is refused', async () => {
    const [event] = dataOf(await (await begin('subscription { taskUpdated(id: "x") { id } }')).text());
    expect(event.errors[0].extensions).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
  });

  test('are refused with 401 for wrong credentials', async () => {
    expect((await begin('subscription { taskChanges { cursor } }', {}, { authorization: 'Bearer x' })).status).toBe(
      401,
    );
  });

  test('leave nothing behind when their client goes', async () => {
    const spy = vi.spyOn(QueueWatcher.prototype, 'watch');
    const controller = new AbortController();
    const response = await begin('subscription { queueUpdated(name: "gone") { name } }', { signal: controller.signal });
    await response.body?.getReader().read();
    controller.abort();
    const mailbox = await spy.mock.results[0]?.value;
    for (;;) if ((await mailbox.next()).done) break;
    spy.mockRestore();
  });

  test('wait for a client that does not read, and cut it off when too much waits', async () => {
    await using narrow = await setupApi({ settings: { SUBSCRIBER_BUFFER: '100' } });
    const other = await startApi(narrow.config, silent);
    const reader = await narrow.user();
    const open = (query: string) =>
      new Promise<IncomingMessage>((resolve) =>
        get(
          `${other.url}/graphql?query=${encodeURIComponent(query)}`,
          { headers: { accept: 'text/event-stream', ...reader.headers } },
          resolve,
        ),
      );
    const response = await open('subscription { taskChanges { cursor task { payload } } }');
    response.pause();
    const reading = await open('subscription { taskChanges { cursor } }');
    // 20 MB of payloads: far more than sockets hold, so that the server has to wait.
    for (let batch = 0; batch < 4; batch++) {
      const inputs = Array.from({ length: 50 }, () => ({ type: 'x', payload: 'x'.repeat(100_000) }));
      await reader.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', { inputs });
    }
    // What one subscriber of a node has, all of them were handed: only then is it too late to read.
    let seen = '';
    for await (const chunk of reading.setEncoding('utf8')) {
      seen += chunk;
      if (dataOf(seen).length === 200) break;
    }
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    const events = dataOf(text);
    expect(events.at(-1).errors[0].extensions).toEqual({ code: 'SLOW_CONSUMER', limit: 100 });
    expect(events.length).toBeLessThan(150);
    await other.close();
  });
});

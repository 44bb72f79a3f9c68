import { randomUUID } from 'node:crypto';
import { openSocket, request } from '../src/local/graphql-client.ts';
import { type Figure, quantile, type Scale } from './report.ts';
import type { BenchStack } from './stack.ts';
import { PAYLOAD } from './submitter.ts';

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token } }';
const SUBMIT = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }';
const CHANGES = 'subscription { taskChanges(after: "0") { event { taskId status } } }';

interface Changes {
  taskChanges: { event: { taskId: string; status: string } };
}

/**
 * From sending `createTask` over HTTP until a subscriber on a socket sees COMPLETED, one task at a time on an idle system:
 * client, api, manager and worker are four processes.
 */
export const benchLatency = async (stack: BenchStack, scale: Scale): Promise<Figure[]> => {
  const processes = [await stack.start('manager'), await stack.start('worker'), await stack.start('api')];
  const url = `http://127.0.0.1:${stack.config.PORT}`;
  const name = `bench-${randomUUID().slice(0, 8)}`;
  const input = { email: `${name}@example.com`, username: name, password: randomUUID() };
  const { signUp } = await request<{ signUp: { token: string } }>(url, SIGN_UP, { input });
  const credentials = { authorization: `Bearer ${signUp.token}` };
  const socket = openSocket(url, credentials);
  const completed = followCompleted(socket.iterate<Changes>({ query: CHANGES }));
  const once = async (): Promise<number> => {
    const sentAt = performance.now();
    const { createTask } = await request<{ createTask: { id: string } }>(
      url,
      SUBMIT,
      { input: { type: 'echo', payload: PAYLOAD } },
      credentials,
    );
    await completed(createTask.id);
    return performance.now() - sentAt;
  };
  const warmUp = scale(200);
  const times: number[] = [];
  for (let i = -warmUp; i < scale(1_000); i++) {
    const time = await once();
    if (i >= 0) times.push(time);
  }
  await socket.dispose();
  for (const process of processes.reverse()) await process.stop();
  return [
    { name: 'submit → COMPLETED at a subscriber, p50', value: quantile(times, 0.5), unit: 'ms' },
    { name: 'submit → COMPLETED at a subscriber, p99', value: quantile(times, 0.99), unit: 'ms' },
  ];
};

/** Returns how to wait until a task is seen COMPLETED. The socket may be faster than the answer of the submission. */
const followCompleted = (changes: AsyncIterable<{ data?: Changes | null | undefined }>) => {
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  void (async () => {
    for await (const { data } of changes) {
      if (data?.taskChanges.event.status !== 'COMPLETED') continue;
      const { taskId } = data.taskChanges.event;
      seen.add(taskId);
      waiting.get(taskId)?.();
    }
  })();
  return (taskId: string): Promise<void> =>
    seen.has(taskId) ? Promise.resolve() : new Promise((resolve) => waiting.set(taskId, resolve));
};

import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const TASKS = fileURLToPath(new URL('./tasks/', import.meta.url));

/** A trace that a client began. */
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CLIENT_SPAN = 'b7ad6b7169203331';
const CLIENT = { traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01` };

const startTraced = async (receiver: OtlpReceiver, settings: Record<string, string> = {}) => {
  const system = await startSystem({ settings: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...settings } });
  const manager = await system.start('manager');
  const worker = await system.start('worker', { WORKER_TASKS: TASKS });
  /** Ends them in order: their last spans are sent before. */
  const stop = async (): Promise<void> => {
    for (const process of [worker, system.api, manager]) expect((await process.kill()).code).toBe(0);
  };
  return { system, stop };
};

const post = async (
  system: System,
  query: string,
  headers: Record<string, string> = CLIENT,
): Promise<Record<string, { id: string }>> => {
  const response = await fetch(`${system.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${system.token}`, ...headers },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data: Record<string, { id: string }>; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
};

const create = (type: string, more = ''): string =>
  `mutation Submit { createTask(input: { type: "${type}", payload: {}, queue: "mail" ${more} }) { id } }`;

const find = (spans: readonly ReceivedSpan[], name: string, service?: string): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name && (service === undefined || span.service === service));
  expect({ name, found: found.length }).toEqual({ name, found: 1 });
  return found[0] as ReceivedSpan;
};

const resultOf = async (system: System, id: string): Promise<unknown> =>
  (await system.app.database.task.findUniqueOrThrow({ where: { id } })).result;

describe('a traced task', () => {
  test('has one trace from its mutation to its recorded end', { timeout: 90_000 }, async () => {
    await using receiver = await startOtlpReceiver();
    const { system, stop } = await startTraced(receiver);
    await using _ = system;
    const { createTask } = await post(system, create('traced'));
    const id = createTask?.id as string;
    expect(await system.settle()).toEqual([]);
    const result = (await resultOf(system, id)) as { traceparent: string; active: string; own: string };
    await stop();

    const spans = receiver.spans.filter(({ traceId }) => traceId === TRACE_ID);
    const request = find(spans, 'POST /graphql', 'taskflow-api');
    const submit = find(spans, 'submit mail', 'taskflow-api');
    const claim = find(spans, 'claim mail', 'taskflow-worker');
    const run = find(spans, 'run mail', 'taskflow-worker');
    const own = find(spans, 'of the handler', 'taskflow-worker');
    const record = find(spans, 'record mail', 'taskflow-manager');
    expect(spans).toHaveLength(6);

    expect(request).toMatchObject({ parentSpanId: CLIENT_SPAN, kind: 'SERVER' });
    expect(submit).toMatchObject({ parentSpanId: request.spanId, kind: 'PRODUCER' });
    expect(claim).toMatchObject({ parentSpanId: submit.spanId, kind: 'CLIENT' });
    expect(run).toMatchObject({ parentSpanId: submit.spanId, kind: 'CONSUMER' });
    expect(own.parentSpanId).toBe(run.spanId);
    expect(record).toMatchObject({ parentSpanId: submit.spanId, kind: 'CLIENT' });

    expect(request.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/graphql',
      'http.response.status_code': 200,
      'url.path': '/graphql',
      'graphql.operation.type': 'mutation',
      'graphql.operation.name': 'Submit',
    });
    expect(submit.attributes).toEqual({
      'messaging.system': 'taskflow',
      'messaging.operation.name': 'submit',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'mail',
      'messaging.batch.message_count': 1,
    });
    expect(run.attributes).toMatchObject({
      'messaging.operation.type': 'process',
      'messaging.message.id': id,
      'taskflow.task.type': 'traced',
      'taskflow.task.attempt': 1,
      'taskflow.task.outcome': 'completed',
    });
    expect(record.attributes).toMatchObject({ 'messaging.message.id': id, 'taskflow.task.status': 'COMPLETED' });
    expect(claim.startMs).toBeLessThanOrEqual(run.startMs);
    expect(run.endMs).toBeLessThanOrEqual(record.endMs);

    // What the handler saw.
    expect(result).toEqual({
      traceparent: `00-${TRACE_ID}-${run.spanId}-01`,
      active: own.spanId,
      own: own.spanId,
    });
  });

  test('keeps its trace through the loss of Redis, attempts, threads, flows and a retry by hand', {
    timeout: 90_000,
  }, async () => {
    await using receiver = await startOtlpReceiver();
    const { system, stop } = await startTraced(receiver);
    await using _ = system;
    const isolated = (await post(system, create('traced.isolated'))).createTask?.id as string;
    const flow = `mutation { createFlow(input: { name: "two", tasks: [
      { name: "first", type: "echo", payload: {} }, { name: "second", type: "traced", payload: {}, dependsOn: ["first"] }
    ] }) { id } }`;
    await post(system, flow);
    const failing = (await post(system, create('traced.failing', ', maxAttempts: 1'))).createTask?.id as string;
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const scheduled = (await post(system, create('traced', `, runAt: "${later}"`))).createTask?.id as string;
    const inDatabase = await system.app.database.$queryRaw<{ traceparent: string }[]>`SELECT traceparent FROM tasks`;
    expect(inDatabase).toHaveLength(5);
    for (const { traceparent } of inDatabase) expect(traceparent).toMatch(`00-${TRACE_ID}-`);

    await waitFor(async () => (await system.countByStatus()).COMPLETED === 3, { what: 'what is due has run' });
    // The scheduled one comes back from PostgreSQL.
    const { redis } = system.app.broker.low;
    const keys = await redis.keys(`{${system.app.broker.prefix}:low:*`);
    await redis.del(keys.filter((key) => !key.endsWith(':leader')));
    await system.app.database.task.update({ where: { id: scheduled }, data: { runAt: new Date() } });
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 4, FAILED: 1 });
    expect(await resultOf(system, isolated)).toMatchObject({ traceparent: expect.stringMatching(`00-${TRACE_ID}-`) });
    await post(system, `mutation { retryTask(id: "${failing}") { id } }`, {});
    await waitFor(
      async () => (await system.app.database.taskEvent.count({ where: { taskId: failing, status: 'FAILED' } })) === 2,
      { what: 'it has failed again' },
    );
    await stop();

    const runs = receiver.spans.filter(({ kind }) => kind === 'CONSUMER');
    expect(runs.every(({ traceId }) => traceId === TRACE_ID)).toBe(true);
    const ofFailing = runs.filter(({ attributes }) => attributes['messaging.message.id'] === failing);
    expect(ofFailing.length).toBe(2);
    for (const run of ofFailing) {
      expect(run.isError).toBe(true);
      expect(run.attributes).toMatchObject({ 'error.type': 'ETEST', 'taskflow.task.outcome': 'failed' });
    }
    expect(runs.some(({ attributes }) => attributes['messaging.message.id'] === scheduled)).toBe(true);
    expect(JSON.stringify(receiver.spans)).not.toContain('the secret of a payload');
  });
});

describe('what is not traced', () => {
  test('a client decides by its own trace; of others, a share is kept', { timeout: 90_000 }, async () => {
    await using receiver = await startOtlpReceiver();
    const { system, stop } = await startTraced(receiver, { OTEL_TRACES_SAMPLER_ARG: '0' });
    await using _ = system;
    await post(system, create('traced'), {});
    await post(system, create('traced'), { traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-00` });
    await post(system, create('traced'), CLIENT);
    expect(await system.settle()).toEqual([]);
    const kept = await system.app.database.$queryRaw<{ traceparent: string | null }[]>`
      SELECT traceparent FROM tasks ORDER BY id`;
    expect(kept.map(({ traceparent }) => traceparent !== null)).toEqual([false, false, true]);
    await stop();
    expect(receiver.spans.filter(({ kind }) => kind === 'CONSUMER')).toHaveLength(1);
  });

  test('without an endpoint, nothing of OpenTelemetry is loaded and no task has a trace', {
    timeout: 60_000,
  }, async () => {
    await using system = await startSystem();
    const options = { NODE_OPTIONS: `--import=${new URL('./report-modules.ts', import.meta.url).href}` };
    const api = await system.start('api', { ...options, PORT: '0' });
    const manager = await system.start('manager', options);
    const worker = await system.start('worker', options);
    await post(system, create('echo'));
    expect(await system.settle()).toEqual([]);
    const rows = await system.app.database.$queryRaw<unknown[]>`SELECT 1 FROM tasks WHERE traceparent IS NOT NULL`;
    expect(rows).toEqual([]);
    for (const process of [worker, manager, api]) {
      await process.kill();
      expect(process.output()).toContain('modules loaded: ');
      expect(process.output()).not.toContain('@opentelemetry');
      expect(process.output()).not.toContain('prom-client');
    }
  });

  test('a collector that refuses or is away holds nobody up', { timeout: 90_000 }, async () => {
    await using receiver = await startOtlpReceiver(401);
    const { system, stop } = await startTraced(receiver, {
      OTEL_EXPORTER_OTLP_HEADERS: 'x-token=secret-of-the-collector',
    });
    await using _ = system;
    await post(system, create('traced'));
    expect(await system.settle()).toEqual([]);
    await stop();
    expect(receiver.headers[0]?.['x-token']).toBe('secret-of-the-collector');
    expect(system.api.output()).toContain('traces could not be sent');
    expect(system.api.output()).not.toContain('secret-of-the-collector');
  });
});

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Config } from '../config.ts';
import { answerJson, listen } from '../http-server.ts';
import type { Logger } from '../logger.ts';
import type { Readiness } from '../readiness.ts';
import { createRegistry, type Registry } from './registry.ts';

export interface MetricsServer {
  registry: Registry;
  /** From now on /readyz asks this; until then the process is starting. */
  readyWhen(check: () => Promise<Readiness>): void;
  /** From now on /readyz says no. */
  stopping(): void;
}

const says = (state: string) => async (): Promise<Readiness> => ({ isReady: false, parts: { process: state } });

/**
 * Answers `/metrics`, `/healthz` and `/readyz` on a port of its own, which is not for the public.
 *
 * @param process its kind: "api", "manager", …
 * @throws TaskFlowError CONFLICT when the port is in use
 */
export const serveMetrics = async (
  { METRICS_HOST, METRICS_PORT = 0 }: Config,
  process: string,
  logger: Logger,
): Promise<MetricsServer> => {
  const registry = createRegistry(process);
  let check = says('starting');
  const server = createServer((request, response) => {
    answer(request, response, registry, check).catch((error: unknown) => {
      logger.warn({ err: error }, 'the metrics port could not answer');
      response.destroy();
    });
  });
  const url = await listen(server, METRICS_HOST, METRICS_PORT, 'METRICS_PORT');
  logger.info({ url: `${url}/metrics` }, 'metrics are served');
  return {
    registry,
    readyWhen: (ready) => {
      check = ready;
    },
    stopping: () => {
      check = says('stopping');
    },
  };
};

const answer = async (
  { method, url }: IncomingMessage,
  response: ServerResponse,
  registry: Registry,
  check: () => Promise<Readiness>,
): Promise<void> => {
  const path = method === 'GET' || method === 'HEAD' ? url?.split('?')[0] : undefined;
  if (path === '/metrics') {
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' }).end(text);
  } else if (path === '/healthz') {
    answerJson(response, 200, { isAlive: true });
  } else if (path === '/readyz') {
    const readiness = await check();
    answerJson(response, readiness.isReady ? 200 : 503, readiness);
  } else {
    answerJson(response, 404, { error: 'Here are /metrics, /healthz and /readyz.' });
  }
};

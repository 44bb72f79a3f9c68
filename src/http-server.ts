import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TaskFlowError } from './errors.ts';

/**
 * @param setting the name of the port's setting, for errors
 * @returns where the server can be asked: "http://127.0.0.1:4000"
 * @throws TaskFlowError CONFLICT when the port is in use; what Node throws for an address that is not this machine's
 */
export const listen = async (server: Server, host: string, port: number, setting: string): Promise<string> => {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw error;
    const message = `Port ${port} is in use; set ${setting} to another one.`;
    throw new TaskFlowError('CONFLICT', message, {}, { cause: error });
  }
  return `http://${hostOf(host)}:${(server.address() as AddressInfo).port}`;
};

/** An address that can be opened: "every interface" cannot. */
const hostOf = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
};

/** Answers with JSON that nobody may cache. */
export const answerJson = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
};

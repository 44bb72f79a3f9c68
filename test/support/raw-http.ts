import { connect } from 'node:net';

/**
 * Sends bytes as they are to a server and collects what comes back until it closes the connection.
 *
 * @param parts each sent once the one before has been taken over
 * @param timeoutMs after which the connection is given up. Default: 20 s
 */
export const sendRaw = (url: string, parts: readonly (string | Buffer)[], timeoutMs = 20_000): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the server kept the connection open; it answered ${JSON.stringify(answer)}`));
    }, timeoutMs);
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    // A server that closes while we still write resets the connection.
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    for (const part of parts) socket.write(part);
  });

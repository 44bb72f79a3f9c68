import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FOLDER_PREFIX } from './sweep.ts';

/** Of an authority of the test's own. All are PEM. */
export interface Certificates {
  caFile: string;
  /** Of servers on 127.0.0.1, and of clients. */
  certFile: string;
  keyFile: string;
}

/** What a server is told of them, as in redis.conf. It asks clients for a certificate, too. */
export const tlsSettings = ({ caFile, certFile, keyFile }: Certificates): Record<string, string> => ({
  'tls-ca-cert-file': caFile,
  'tls-cert-file': certFile,
  'tls-key-file': keyFile,
});

/** What processes are told of them. */
export const tlsEnv = ({ caFile, certFile, keyFile }: Certificates): Record<string, string> =>
  Object.fromEntries(
    ['HIGH', 'LOW'].flatMap((lane) => [
      [`REDIS_CA_FILE_${lane}`, caFile],
      [`REDIS_CERT_FILE_${lane}`, certFile],
      [`REDIS_KEY_FILE_${lane}`, keyFile],
    ]),
  );

const openssl = (...args: string[]) => promisify(execFile)('openssl', args);
/** Keys on an elliptic curve are made in no time. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** @returns the files, in a folder for the caller to remove */
export const makeCertificates = async (): Promise<Certificates & { folder: string }> => {
  const folder = await mkdtemp(FOLDER_PREFIX);
  const file = (name: string): string => join(folder, name);
  const [caFile, caKey, certFile, keyFile] = ['ca.pem', 'ca-key.pem', 'cert.pem', 'key.pem'].map(file) as [
    string,
    string,
    string,
    string,
  ];
  await openssl(
    'req',
    '-x509',
    ...NEW_KEY,
    '-keyout',
    caKey,
    '-out',
    caFile,
    '-days',
    '2',
    '-subj',
    '/CN=TaskFlow tests',
  );
  await openssl('req', ...NEW_KEY, '-keyout', keyFile, '-out', file('request.pem'), '-subj', '/CN=redis');
  await writeFile(file('extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const signing = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', file('extensions')];
  await openssl('x509', '-req', '-in', file('request.pem'), '-out', certFile, ...signing);
  return { folder, caFile, certFile, keyFile };
};

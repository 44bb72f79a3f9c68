import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const FILE = fileURLToPath(new URL('../../docker-compose.yml', import.meta.url));

/** Debian's: it reads and checks a compose file without a Docker engine. */
export const hasCompose = spawnSync('docker-compose', ['--version']).status === 0;
if (!hasCompose && process.env.CI) throw new Error('docker-compose is missing; see .ci/run');

export interface Service {
  image: string;
  user?: string;
  build?: object;
  init?: boolean;
  read_only?: boolean;
  restart?: string;
  cap_drop?: string[];
  security_opt?: string[];
  command?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[] };
  volumes?: string[];
  ports?: (string | object)[];
  networks: Record<string, unknown>;
  deploy?: { resources: { limits: { cpus: number; memory: string } } };
}

export interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, { internal?: boolean } | null>;
}

/**
 * The compose file as Docker Compose understands it, with its variables filled in.
 *
 * @param dotEnv what stands in `.env`
 * @param env what the shell has set
 * @throws Error with what it says, when it refuses the file
 */
export const renderCompose = (dotEnv: string, env: Readonly<Record<string, string>> = {}): Compose => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-compose-'));
  try {
    copyFileSync(FILE, join(folder, 'docker-compose.yml'));
    writeFileSync(join(folder, '.env'), dotEnv);
    // It doubles each $, so that its output could be its input.
    const text = execFileSync('docker-compose', ['config'], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...env },
      encoding: 'utf8',
      stdio: 'pipe',
    }).replaceAll('$$', '$');
    return parse(text) as Compose;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

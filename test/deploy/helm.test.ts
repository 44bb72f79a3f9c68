import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { documentedSettings } from '../../src/settings.ts';
import { findTypeErrors, hasHelm, lint, type Manifest, render } from './helm.ts';
import { NEEDS } from './needs.ts';

const LEAST = { secret: { existing: 'taskflow-secrets' } };
/** Everything that can be switched on. */
const FULL = {
  secret: {
    values: { SECRET_KEY: 'f00'.repeat(20), DATABASE_URL: 'postgresql://u@p/d' },
    certificates: 'tls',
    signing: 'keys',
  },
  config: { REDIS_URL_HIGH: 'redis://a', REDIS_HOST_LOW: 'b', LOG_LEVEL: 'debug', SHUTDOWN_GRACE_MS: '60000' },
  imagePullSecrets: [{ name: 'pull' }],
  podAnnotations: { a: 'b' },
  podLabels: { team: 'x' },
  serviceAccountName: 'sa',
  nodeSelector: { disk: 'ssd' },
  tolerations: [{ key: 'k', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  api: {
    replicas: 3,
    env: { GRAPHIQL: 'true' },
    service: { type: 'LoadBalancer', annotations: { x: 'y' } },
    ingress: { enabled: true, className: 'nginx', annotations: { x: 'y' }, tlsSecret: 'certificate' },
    autoscaling: { enabled: true },
  },
  workers: {
    default: { keda: { enabled: true } },
    images: {
      replicas: 0,
      env: { WORKER_QUEUES: 'images,mail.out', SHUTDOWN_GRACE_MS: '120000' },
      image: { repository: 'my-workers', tag: 'v7' },
      resources: { requests: { cpu: '1' } },
      filesClaim: 'shared',
      nodeSelector: { gpu: 'yes' },
      keda: {
        enabled: true,
        maxReplicas: 5,
        serverAddress: 'http://p:9090',
        tasksPerWorker: 10,
        secondsPerWorker: 60,
        queues: ['images', 'mail.out'],
      },
    },
  },
  metrics: { podMonitor: { enabled: true, labels: { release: 'prometheus' } } },
  networkPolicies: {
    apiFrom: [{ namespaceSelector: {} }],
    postgres: { to: [{ ipBlock: { cidr: '10.0.0.0/24' } }] },
    workerEgress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 443, protocol: 'TCP' }] }],
    egress: [{ ports: [{ port: 4318, protocol: 'TCP' }] }],
  },
};

interface Container {
  name: string;
  image: string;
  args?: string[];
  env: {
    name: string;
    value?: string;
    valueFrom?: { secretKeyRef: { name: string; key: string; optional: boolean } };
  }[];
  ports?: { name: string; containerPort: number }[];
  securityContext: object;
  resources: { limits?: { memory?: string }; requests?: object };
  volumeMounts: { name: string; mountPath: string }[];
}

/** The pod of whatever makes pods. */
const podOf = ({ kind, spec }: Manifest) => (kind === 'CronJob' ? spec.jobTemplate.spec.template : spec.template);
const containerOf = (manifest: Manifest): Container => podOf(manifest).spec.containers[0];
const ofKind = (manifests: readonly Manifest[], ...kinds: string[]) =>
  manifests.filter(({ kind }) => kinds.includes(kind));
const withPods = (manifests: readonly Manifest[]) => ofKind(manifests, 'Deployment', 'Job', 'CronJob');
const named = (manifests: readonly Manifest[], kind: string, name: string): Manifest =>
  manifests.find((each) => each.kind === kind && each.metadata.name === name) as Manifest;

const SECRETS: Record<string, string> = {
  SECRET_KEY: '7d3c9e1f5b8a2046c1e7f9b3d5a8604e2c7b9f1d3e5a7084',
  DATABASE_URL: 'postgresql://taskflow:secret@db:5432/taskflow',
};

/** As the process would see it, where the Secret has only what it must have. */
const environmentOf = ({ env }: Container): Record<string, string> =>
  Object.fromEntries(
    env.flatMap(({ name, value, valueFrom }) => {
      const given = value ?? SECRETS[valueFrom?.secretKeyRef.key ?? ''];
      return given === undefined ? [] : [[name, given]];
    }),
  );

describe.skipIf(!hasHelm)('the Helm chart', () => {
  const least = hasHelm ? render(LEAST) : [];
  const full = hasHelm ? render(FULL) : [];
  const both: [string, Manifest[]][] = [
    ['as it comes', least],
    ['with everything', full],
  ];

  test('is what Helm takes', () => {
    for (const values of [LEAST, FULL]) expect(lint(values)).toContain('1 chart(s) linted, 0 chart(s) failed');
    const version = (
      JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
    ).version;
    expect(containerOf(named(least, 'Deployment', 'tf-taskflow-api')).image).toBe(`taskflow:${version}`);
  });

  test.each([
    ['no secret', {}, /Set secret.existing/],
    ['a value that does not exist', { ...LEAST, apis: {} }, /additional properties 'apis' not allowed/],
    ['a number as text', { ...LEAST, api: { replicas: 'two' } }, /want integer/],
    ['a setting that is not text', { ...LEAST, config: { LEASE_MS: 5 } }, /want string/],
    ['a setting that does not exist', { ...LEAST, config: { LEASE_SECONDS: '5' } }, /LEASE_SECONDS/],
    ['a worker without resources', { ...LEAST, workers: { other: { replicas: 1 } } }, /missing property 'resources'/],
  ])('refuses %s', (_what, values, message) => {
    expect(() => render(values)).toThrow(message);
  });

  test.each(both)('is what Kubernetes, KEDA and the Prometheus operator know, %s', (_name, manifests) => {
    expect(findTypeErrors(manifests)).toBe('');
  });

  test('is found out when it is not', () => {
    const [api] = structuredClone(ofKind(least, 'Deployment')) as [Manifest];
    Object.assign(containerOf(api), { imagee: 'x' });
    api.spec.replicas = '2';
    const errors = findTypeErrors([api]);
    expect(errors).toContain('imagee');
    expect(errors).toMatch(/'string' is not assignable to type 'number'/);
  });

  test.each(both)('gives each process settings that exist and that it starts with, %s', (_name, manifests) => {
    const known = new Set([...documentedSettings().map(({ name }) => name), 'SERVICE_TYPE']);
    for (const manifest of withPods(manifests)) {
      const container = containerOf(manifest);
      const environment = environmentOf(container);
      const names = container.env.map(({ name }) => name);
      expect(names.filter((name) => !known.has(name))).toEqual([]);
      expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
      expect(environment.SERVICE_TYPE ?? container.args?.[0]).toBe(container.name);
      expect(() => loadConfig(NEEDS[container.name] ?? [], environment)).not.toThrow();
    }
    expect(withPods(manifests).length).toBeGreaterThanOrEqual(5);
  });

  test('knows every setting, and those of OpenTelemetry', () => {
    const schema = JSON.parse(
      readFileSync(new URL('../../deploy/helm/taskflow/values.schema.json', import.meta.url), 'utf8'),
    );
    expect(schema.$defs.settings.propertyNames.anyOf[0].enum).toEqual(documentedSettings().map(({ name }) => name));
    const config = { ...FULL.config, OTEL_SERVICE_NAME: 'mine' };
    expect(containerOf(named(render({ ...LEAST, config }), 'Deployment', 'tf-taskflow-api')).env).toContainEqual({
      name: 'OTEL_SERVICE_NAME',
      value: 'mine',
    });
  });

  test.each(both)('lets workers read no secret but those of Redis, %s', (_name, manifests) => {
    for (const manifest of ofKind(manifests, 'Deployment').filter((each) => containerOf(each).name === 'worker')) {
      const { env, volumeMounts } = containerOf(manifest);
      const secrets = env.filter(({ valueFrom }) => valueFrom).map(({ name }) => name);
      expect(secrets.filter((name) => !name.startsWith('REDIS_'))).toEqual([]);
      expect(volumeMounts.map(({ name }) => name)).not.toContain('signing');
    }
  });

  test.each(both)('runs without rights, with limits, %s', (_name, manifests) => {
    for (const manifest of withPods(manifests)) {
      const { spec } = podOf(manifest);
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      const container = containerOf(manifest);
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources.requests).toBeDefined();
    }
  });

  test.each(both)(
    'asks processes that go on running for their health, on their metrics port, %s',
    (_name, manifests) => {
      for (const manifest of ofKind(manifests, 'Deployment')) {
        const container = containerOf(manifest);
        const port = container.ports?.find(({ name }) => name === 'metrics')?.containerPort;
        expect(environmentOf(container)).toMatchObject({ METRICS_PORT: String(port), METRICS_HOST: '0.0.0.0' });
        expect(container).toMatchObject({
          livenessProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
          readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
        });
      }
    },
  );

  test.each(both)('selects pods that there are, %s', (_name, manifests) => {
    const pods = withPods(manifests).map((manifest) => podOf(manifest).metadata.labels as Record<string, string>);
    const found = (selector: Record<string, string>): number =>
      pods.filter((labels) => Object.entries(selector).every(([name, value]) => labels[name] === value)).length;
    for (const { kind, spec } of manifests) {
      if (kind === 'Service') expect(found(spec.selector)).toBe(1);
      if (kind === 'Deployment' || kind === 'PodDisruptionBudget') expect(found(spec.selector.matchLabels)).toBe(1);
      if (kind === 'NetworkPolicy') expect(found(spec.podSelector.matchLabels)).toBe(1);
      if (kind === 'PodMonitor') expect(found(spec.selector.matchLabels)).toBe(pods.length);
    }
    expect(ofKind(manifests, 'NetworkPolicy')).toHaveLength(pods.length);
    expect(ofKind(manifests, 'PodDisruptionBudget')).toHaveLength(ofKind(manifests, 'Deployment').length);
  });

  test.each(both)('scales what there is, and leaves the number to whoever scales, %s', (_name, manifests) => {
    const scaled = ofKind(manifests, 'HorizontalPodAutoscaler', 'ScaledObject').map(
      ({ spec }) => spec.scaleTargetRef.name,
    );
    for (const { metadata, spec } of ofKind(manifests, 'Deployment'))
      expect(spec.replicas === undefined).toBe(scaled.includes(metadata.name));
    for (const name of scaled) expect(named(manifests, 'Deployment', name)).toBeDefined();
  });

  test('migrates before anything else is installed, with a Secret that is there by then', () => {
    const hooks = full.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
    const weights = hooks.map(({ kind, metadata }) => [kind, Number(metadata.annotations?.['helm.sh/hook-weight'])]);
    expect(Object.fromEntries(weights)).toEqual({ Secret: -10, Job: 0 });
    for (const { metadata } of hooks) expect(metadata.annotations?.['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    const [job] = ofKind(full, 'Job');
    const [secret] = ofKind(full, 'Secret');
    const names = containerOf(job as Manifest).env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef.name ?? []);
    expect(new Set(names)).toEqual(new Set([secret?.metadata.name]));
    expect(ofKind(least, 'Secret')).toEqual([]);
  });

  test('gives workers the time that their tasks have, and their own image, queues and files', () => {
    const graceOf = (name: string) => podOf(named(full, 'Deployment', name)).spec.terminationGracePeriodSeconds;
    expect(graceOf('tf-taskflow-worker-default')).toBe(80);
    expect(graceOf('tf-taskflow-worker-images')).toBe(140);
    expect(podOf(named(least, 'Deployment', 'tf-taskflow-worker-default')).spec.terminationGracePeriodSeconds).toBe(30);
    const container = containerOf(named(full, 'Deployment', 'tf-taskflow-worker-images'));
    expect(container.image).toBe('my-workers:v7');
    expect(environmentOf(container)).toMatchObject({ WORKER_QUEUES: 'images,mail.out', FILES_DIR: '/files' });
    const { triggers } = named(full, 'ScaledObject', 'tf-taskflow-worker-images').spec;
    expect(triggers.map(({ metadata }: { metadata: { query: string } }) => metadata.query)).toEqual([
      'sum(taskflow_queue_tasks{queue=~"images|mail\\\\.out", status=~"QUEUED|PROCESSING"}) or vector(0)',
      'max(taskflow_queue_oldest_age_seconds{queue=~"images|mail\\\\.out"}) or vector(0)',
    ]);
  });

  test('lets an api serve on until it gets no more requests', () => {
    const pod = podOf(named(least, 'Deployment', 'tf-taskflow-api'));
    const { SHUTDOWN_DRAIN_MS } = environmentOf(pod.spec.containers[0]);
    expect(Number(SHUTDOWN_DRAIN_MS)).toBeGreaterThan(1_000);
    expect(Number(SHUTDOWN_DRAIN_MS)).toBeLessThan((pod.spec.terminationGracePeriodSeconds - 15) * 1_000);
  });

  test('lets nobody but Prometheus reach managers and workers, and workers only Redis', () => {
    const policy = named(least, 'NetworkPolicy', 'tf-taskflow-worker-default').spec;
    expect(policy.ingress).toHaveLength(1);
    expect(policy.ingress[0].ports).toEqual([{ port: 9464, protocol: 'TCP' }]);
    const ports = policy.egress.flatMap((rule: { ports: { port: number }[] }) => rule.ports.map(({ port }) => port));
    expect(ports).toEqual([53, 53, 6379]);
    const further = named(full, 'NetworkPolicy', 'tf-taskflow-worker-default').spec.egress;
    expect(JSON.stringify(further)).toContain('443');
  });
});

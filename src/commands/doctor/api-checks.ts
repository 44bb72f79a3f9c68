import packageJson from '../../../package.json' with { type: 'json' };
import { ApiError } from '../../client/errors.ts';
import type { QueueRow, WorkerRow } from '../queues.ts';
import { QUEUE_FIELDS, WORKER_FIELDS } from '../queues.ts';
import type { Session } from '../session.ts';
import { count, counted, localTime } from '../text.ts';
import { compareClock, type Finding, fault, ok, warning } from './finding.ts';

const TIMEOUT_MS = 5_000;
const SOON_MS = 3 * 86_400_000;

interface Readiness {
  parts?: Record<string, string>;
}

/** What can be seen of an API from outside: is it there, is it well, who is asking, is anybody working? */
export const checkApi = async (session: Session): Promise<Finding[]> => {
  const { url, signal } = session;
  const before = Date.now();
  let answer: Response;
  try {
    answer = await fetch(`${url}/readyz`, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
  } catch (error) {
    signal.throwIfAborted();
    const { code } = Object((error as Error).cause) as { code?: string };
    const advice = 'Start it with `taskflow up` or `taskflow api`; or say another address with --url or TASKFLOW_URL.';
    return [fault('api', `${url} gives no answer (${code ?? (error as Error).message})`, advice)];
  }
  const after = Date.now();
  const readiness = (await answer.json().catch(() => ({}))) as Readiness;
  if (!readiness.parts) return [fault('api', `${url} is there, but is no TaskFlow`, 'Say its address with --url.')];
  const date = Date.parse(answer.headers.get('date') ?? '');
  return [
    ok('api', `${url} answers after ${after - before} ms`),
    ...(Number.isNaN(date) ? [] : [compareClock('the api', date, before, after, 1_000)]),
    ...Object.entries(readiness.parts).map(toFinding),
    ...(await checkInside(session)),
  ];
};

const PARTS: Readonly<Record<string, [name: string, advice: string]>> = {
  postgresql: ['PostgreSQL, as the api sees it', 'Look whether it runs, and at DATABASE_URL of the api.'],
  migrations: ['migrations, as the api sees them', 'Run `taskflow migrate` with the settings of the api.'],
  redisHigh: ['Redis, high lane, as the api sees it', 'Look whether it runs, and at REDIS_HOST_HIGH of the api.'],
  redisLow: ['Redis, low lane, as the api sees it', 'Look whether it runs, and at REDIS_HOST_LOW of the api.'],
};

const toFinding = ([part, answer]: [string, string]): Finding => {
  const [name, advice] = PARTS[part] ?? [part, 'Look at the log of the api.'];
  return answer === 'ok' ? ok(name, 'ok') : fault(name, answer, advice);
};

const checkInside = async ({ request, credentials }: Session): Promise<Finding[]> => {
  if (credentials.source === 'none') {
    return [warning('credentials', 'you are not logged in', 'Log in with `taskflow login`, or set TASKFLOW_API_KEY.')];
  }
  try {
    const { me } = await request<{ me: { username: string } }>('{ me { username } }');
    const { queues, workers } = await request<{ queues: QueueRow[]; workers: WorkerRow[] }>(
      `{ queues { ${QUEUE_FIELDS} } workers { ${WORKER_FIELDS} } }`,
    );
    return [
      ofCredentials(me.username, credentials.expiresAt),
      await compareVersion(request),
      ofWorkers(workers, queues),
      ...ofWorkerVersions(workers),
      ...ofQueues(queues),
    ];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const advice = error.code === 'UNAUTHENTICATED' ? 'Log in with `taskflow login`.' : 'Mend what is above first.';
    return [fault('credentials', error.message, advice)];
  }
};

const ofCredentials = (username: string, expiresAt: string | undefined): Finding => {
  const until = expiresAt ? `, until ${localTime(expiresAt)}` : '';
  const isShort = expiresAt !== undefined && Date.parse(expiresAt) - Date.now() < SOON_MS;
  if (!isShort) return ok('credentials', `you are ${username}${until}`);
  return warning(
    'credentials',
    `you are ${username}${until}`,
    '`taskflow login --days 30` keeps a key that lives longer.',
  );
};

/** Releases with the same one understand each other; before 1.0.0 the second number counts as the first does later. */
const lineOf = (version: string): string => (/^0\.\d+|^\d+/.exec(version) ?? [version])[0];

const compareVersion = async (request: Session['request']): Promise<Finding> => {
  const name = 'version of the api';
  try {
    const { version } = await request<{ version: string }>('{ version }');
    if (lineOf(version) === lineOf(packageJson.version)) return ok(name, version);
    const detail = `${version}, and that of this command line is ${packageJson.version}`;
    return warning(name, detail, 'Use a command line of the same release as the api.');
  } catch (error) {
    // It has said already that it is there and knows who asks.
    if (!(error instanceof ApiError)) throw error;
    return warning(name, 'it does not say: it is older than this command line', 'Bring the api up to date.');
  }
};

/** Workers in other languages count their releases by themselves. */
const ofWorkerVersions = (workers: readonly WorkerRow[]): Finding[] =>
  workers
    .filter(({ language, version }) => language === 'typescript' && version)
    .filter(({ version }) => lineOf(version as string) !== lineOf(packageJson.version))
    .map(({ id, version }) =>
      warning(`worker ${id}`, `has version ${version}, not ${packageJson.version}`, 'Bring it up to date.'),
    );

const ofWorkers = (workers: readonly WorkerRow[], queues: readonly QueueRow[]): Finding => {
  const waiting = queues.reduce((sum, { counts }) => sum + counts.queued, 0);
  if (workers.length > 0) return ok('workers', `${counted(workers.length, 'worker')} live`);
  return waiting > 0
    ? fault('workers', `none lives, and ${counted(waiting, 'task')} wait`, 'Start one with `taskflow worker`.')
    : warning('workers', 'none lives', 'Start one with `taskflow worker`.');
};

const ofQueues = (queues: readonly QueueRow[]): Finding[] =>
  queues
    .filter(({ isPaused, isDraining }) => isPaused || isDraining)
    .map(({ name, isPaused, counts }) =>
      warning(
        `queue ${name}`,
        isPaused ? `is paused; ${count(counts.queued)} wait` : 'takes no new tasks',
        `\`taskflow resume ${name}\` ends it.`,
      ),
    );

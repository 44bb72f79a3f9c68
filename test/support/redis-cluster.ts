import { Redis } from 'ioredis';
import { freePort, onPort } from '../../src/local/free-port.ts';
import { type Certificates, tlsSettings } from './certificates.ts';
import { type PrivateServer, startPrivateRedis } from './private-servers.ts';
import { waitFor } from './wait-for.ts';

/** Six nodes on 127.0.0.1: three primaries, and a replica of each. */
export interface RedisCluster extends AsyncDisposable {
  /** As REDIS_URL_HIGH and REDIS_URL_LOW take it. */
  readonly url: string;
  readonly nodes: readonly PrivateServer[];
  /** The nodes that are the primary of the slot of a key now, and its replica. */
  nodesOf(key: string): Promise<[primary: PrivateServer, replica: PrivateServer]>;
  /** Moves the slot of a key, with all that is in it, to another primary, as `redis-cli --cluster reshard` does. */
  moveSlotOf(key: string): Promise<void>;
  /** Waits until every slot has a primary, and every primary a replica that has all it has. */
  healthy(): Promise<void>;
}

export interface RedisClusterOptions {
  /** More settings of all nodes, as in redis.conf. */
  settings?: Record<string, string>;
  /** Of the user "default". Default: none is asked for. */
  password?: string;
  /** Then processes connect with TLS; tests go on without. */
  tls?: Certificates;
}

const SLOTS = 16_384;
const PRIMARIES = 3;
const REPLICAS = 3;
/** After how long without an answer a node counts as failed, in ms. A replica takes over about a second later. */
const NODE_TIMEOUT_MS = 1_000;

type Range = [from: number, to: number, ...primaryThenReplicas: [host: string, port: number, id: string][]];

/** A node with the port by which nodes talk to each other, and the one that its clients are told. */
interface ClusterNode {
  server: PrivateServer;
  busPort: number;
  clientPort: number;
}

export const startRedisCluster = async (options: RedisClusterOptions = {}): Promise<RedisCluster> => {
  const { password, tls } = options;
  // All ports of a node are chosen anew where somebody else was faster with one of them.
  const nodes = await Promise.all(
    Array.from({ length: PRIMARIES + REPLICAS }, () => onPort(undefined, (busPort) => startNode(busPort, options))),
  );
  const servers = nodes.map(({ server }) => server);
  const login = password === undefined ? '' : `:${password}@`;
  const urlOf = ({ port }: PrivateServer): string => `redis://${login}127.0.0.1:${port}`;
  const withAll = async (work: (clients: Redis[]) => Promise<void>): Promise<void> => {
    const clients = servers.map((server) => new Redis(urlOf(server)));
    try {
      await work(clients);
    } finally {
      for (const client of clients) client.disconnect();
    }
  };
  await withAll((clients) => join(nodes, clients));
  return {
    url: `redis${tls ? 's' : ''}+cluster://${login}${nodes.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(',')}`,
    nodes: servers,
    nodesOf: (key) =>
      withAny(servers.map(urlOf), async (client) => {
        const slot = (await client.call('CLUSTER', 'KEYSLOT', key)) as number;
        const ranges = (await client.call('CLUSTER', 'SLOTS')) as Range[];
        const [, , ...holders] = ranges.find(([from, to]) => from <= slot && slot <= to) as Range;
        const [primary, replica] = holders.map(([, port]) => servers.find((server) => server.port === port));
        return [primary, replica] as [PrivateServer, PrivateServer];
      }),
    moveSlotOf: (key) => withAll((clients) => moveSlot(clients, key)),
    healthy: () => withAll(allHealthy),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
};

const startNode = async (
  busPort: number,
  { settings = {}, password, tls }: RedisClusterOptions,
): Promise<ClusterNode> => {
  const clustered = {
    'cluster-enabled': 'yes',
    'cluster-port': String(busPort),
    'cluster-node-timeout': String(NODE_TIMEOUT_MS),
  };
  // A replica that lags little takes over without a wait; one that starts late has the data soon.
  const quick = { 'shutdown-timeout': '0', 'repl-diskless-sync-delay': '0', 'repl-ping-replica-period': '1' };
  const locked = password === undefined ? {} : { requirepass: password, masterauth: password };
  const tlsPort = await freePort();
  const secure = tls
    ? { ...tlsSettings(tls), 'tls-port': String(tlsPort), 'tls-cluster': 'yes', 'tls-replication': 'yes' }
    : {};
  const server = await startPrivateRedis({ ...clustered, ...quick, ...locked, ...secure, ...settings });
  return { server, busPort, clientPort: tls ? tlsPort : server.port };
};

/** Makes a cluster of the nodes: the first three get the slots, the others are their replicas. */
const join = async (nodes: readonly ClusterNode[], clients: readonly Redis[]): Promise<void> => {
  await Promise.all(
    clients.slice(0, PRIMARIES).map((client, i) => {
      const bound = (n: number): number => Math.floor((n * SLOTS) / PRIMARIES);
      return client.call('CLUSTER', 'ADDSLOTSRANGE', bound(i), bound(i + 1) - 1);
    }),
  );
  await Promise.all(clients.map((client, i) => client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)));
  for (const { clientPort, busPort } of nodes.slice(1)) {
    await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', clientPort, busPort);
  }
  const ids = await Promise.all(clients.map((client) => client.call('CLUSTER', 'MYID') as Promise<string>));
  for (const [i, client] of clients.slice(PRIMARIES).entries()) {
    await waitFor(() => client.call('CLUSTER', 'REPLICATE', ids[i] as string).catch(() => undefined), {
      what: 'the replica knows its primary',
    });
  }
  await allHealthy(clients);
};

/** What the first node says that is up. @throws Error when none is */
const withAny = async <T>(urls: readonly string[], ask: (client: Redis) => Promise<T>): Promise<T> => {
  for (const url of urls) {
    const client = new Redis(url, { retryStrategy: null, commandTimeout: 500 });
    client.on('error', () => {});
    try {
      return await ask(client);
    } catch {
      // The next one may be up.
    } finally {
      client.disconnect();
    }
  }
  throw new Error('no node of the cluster answers');
};

const moveSlot = async (clients: readonly Redis[], key: string): Promise<void> => {
  const nodes = await Promise.all(
    clients.map(async (client) => ({
      client,
      id: (await client.call('CLUSTER', 'MYID')) as string,
      isPrimary: (await client.info('replication')).includes('role:master'),
      slots: (await client.call('CLUSTER', 'SLOTS')) as Range[],
    })),
  );
  const slot = (await nodes[0]?.client.call('CLUSTER', 'KEYSLOT', key)) as number;
  const holder = nodes[0]?.slots.find(([from, to]) => from <= slot && slot <= to)?.[2]?.[2];
  const source = nodes.find(({ id }) => id === holder) as (typeof nodes)[number];
  const target = nodes.find((node) => node.isPrimary && node !== source) as (typeof nodes)[number];
  await target.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id);
  await source.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
  const { host = '', port = 0 } = target.client.options;
  for (;;) {
    const keys = (await source.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
    if (keys.length === 0) break;
    await source.client.call('MIGRATE', host, port, '', 0, 5_000, 'KEYS', ...keys);
  }
  for (const { client } of [target, source]) await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
};

const allHealthy = async (clients: readonly Redis[]): Promise<void> => {
  await Promise.all(
    clients.map((client) =>
      waitFor(() => isHealthy(client).catch(() => false), { what: 'the cluster is healthy', timeoutMs: 30_000 }),
    ),
  );
};

const isHealthy = async (client: Redis): Promise<boolean> => {
  const [state, ranges, replication] = (await Promise.all([
    client.call('CLUSTER', 'INFO'),
    client.call('CLUSTER', 'SLOTS'),
    client.info('replication'),
  ])) as [string, Range[], string];
  const isWhole = state.includes('cluster_state:ok') && ranges.every(([, , , ...replicas]) => replicas.length > 0);
  const isInStep = replication.includes('role:master')
    ? /^slave0:.*state=online/m.test(replication)
    : replication.includes('master_link_status:up');
  return isWhole && isInStep;
};

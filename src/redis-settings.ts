import { accessSync, constants } from 'node:fs';
import { z } from 'zod';
import { setting, wholeNumber } from './setting.ts';

export interface Address {
  host: string;
  port: number;
}

/** Files for connections with TLS, as PEM. */
export interface RedisTls {
  /** Certificates of the authorities to trust. Default: the system's. */
  caFile?: string | undefined;
  /** The client's own certificate with its key, for a Redis that asks for one. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
}

/** Where a lane's Redis is, how to reach it, and as whom to log in. Without a password nobody logs in. */
export interface RedisServer {
  /** One server; Sentinels, which know where it is; or nodes of a cluster. Default: server. */
  kind?: 'server' | 'sentinel' | 'cluster';
  /** The server's; or those of Sentinels or nodes, which are asked in turn. At least one. */
  addresses: readonly Address[];
  /** Default: Redis' user "default". */
  username?: string | undefined;
  password?: string | undefined;
  /** By what name Sentinels know the primary, and what password they want to hear themselves. */
  sentinel?: { name: string; password?: string | undefined } | undefined;
  /** Default: without TLS. */
  tls?: RedisTls | undefined;
}

export type LaneSuffix = 'HIGH' | 'LOW';

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const URL_RULE =
  'must be redis://, redis+cluster:// or redis+sentinel:// (rediss… with TLS), then user:password@, hosts with commas between, and for Sentinels /<name of the primary>; as redis+sentinel://a:26379,b:26379/mymaster';

const text = () => z.string().optional();
const flag = () => z.stringbool().default(false);

const rowsOf = (lane: LaneSuffix) => ({
  URL: setting(
    text(),
    'URL',
    'One for all below: `rediss://user:password@host:6379`, `redis+sentinel://a,b,c/mymaster`, `redis+cluster://a:6379,b:6379`.',
  ),
  HOST: setting(
    z.string().default('127.0.0.1'),
    'host',
    lane === 'HIGH' ? 'Redis of the high lane.' : 'Redis of the low lane; may be the same server.',
  ),
  PORT: setting(wholeNumber(REDIS_PORT, 1, 65_535), 'port', 'Its port.'),
  USERNAME: setting(text(), 'text', 'Its user, where it has more than the default one.'),
  PASSWORD: setting(text(), 'text', 'The password.'),
  TLS: setting(flag(), 'true or false', 'Connects with TLS.'),
  CA_FILE: setting(text(), 'file', 'Certificates to trust with TLS, as PEM. Empty: those that the system trusts.'),
  CERT_FILE: setting(text(), 'file', 'Our own certificate, as PEM, for a Redis that asks for one.'),
  KEY_FILE: setting(text(), 'file', 'Its key, as PEM.'),
  CLUSTER: setting(
    flag(),
    'true or false',
    'The host is a node of a Redis Cluster; others may follow, as `a:6379,b:6379`.',
  ),
  SENTINEL: setting(
    text(),
    'name',
    'By what name Sentinels know the primary. Then the hosts are Sentinels, as `a:26379,b:26379`.',
  ),
  SENTINEL_PASSWORD: setting(text(), 'text', 'The password of the Sentinels themselves, where they have one.'),
});

type Rows = ReturnType<typeof rowsOf>;
type LaneRows<L extends LaneSuffix> = { [Name in keyof Rows as `REDIS_${Name}_${L}`]: Rows[Name] };

/** The settings of one lane's Redis: REDIS_HOST_HIGH and its like. */
export const redisSettings = <L extends LaneSuffix>(lane: L): LaneRows<L> =>
  Object.fromEntries(Object.entries(rowsOf(lane)).map(([name, row]) => [`REDIS_${name}_${lane}`, row])) as LaneRows<L>;

type Values = z.infer<z.ZodObject<Rows>>;
type LaneConfig<L extends LaneSuffix> = z.infer<z.ZodObject<LaneRows<L>>>;
/** As `loadConfig` returns them. */
export type RedisConfig = LaneConfig<'HIGH'> & LaneConfig<'LOW'>;

const valuesOf = (config: RedisConfig, lane: LaneSuffix): Values =>
  Object.fromEntries(
    Object.keys(rowsOf(lane)).map((name) => [name, config[`REDIS_${name as keyof Rows}_${lane}`]]),
  ) as Values;

/** Where the settings say that a lane's Redis is. They must be free of `redisProblems`. */
export const redisServer = (config: RedisConfig, lane: LaneSuffix): RedisServer => {
  const values = valuesOf(config, lane);
  const server = values.URL === undefined ? fromNames(values) : (fromUrl(values.URL) as RedisServer);
  const { sentinel } = server;
  return {
    ...server,
    username: server.username ?? values.USERNAME,
    password: server.password ?? values.PASSWORD,
    sentinel: sentinel && { ...sentinel, password: values.SENTINEL_PASSWORD },
    tls: server.tls && { caFile: values.CA_FILE, certFile: values.CERT_FILE, keyFile: values.KEY_FILE },
  };
};

const fromNames = ({ HOST, PORT, TLS, CLUSTER, SENTINEL }: Values): RedisServer => ({
  kind: SENTINEL === undefined ? (CLUSTER ? 'cluster' : 'server') : 'sentinel',
  addresses: addressesOf(HOST, PORT) ?? [],
  sentinel: SENTINEL === undefined ? undefined : { name: SENTINEL },
  tls: TLS ? {} : undefined,
});

/** Scheme, kind, user, password, hosts, and what follows them. */
const URL_FORM = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(?:\/([^/?#]*))?$/;

/** @returns undefined for what is no URL of a Redis */
const fromUrl = (url: string): RedisServer | undefined => {
  const match = URL_FORM.exec(url);
  if (!match) return undefined;
  const [, secure, way, username, password, hosts = '', path = ''] = match;
  const kind = (way ?? 'server') as NonNullable<RedisServer['kind']>;
  const addresses = addressesOf(hosts, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT);
  // Database 0 is the only one of a cluster, and ours: prefixes keep TaskFlows apart.
  const isPathGood = kind === 'sentinel' ? path !== '' : path === '' || path === '0';
  if (!addresses || !isPathGood || (kind === 'server' && addresses.length > 1)) return undefined;
  try {
    return {
      kind,
      addresses,
      username: username ? decodeURIComponent(username) : undefined,
      password: password ? decodeURIComponent(password) : undefined,
      sentinel: kind === 'sentinel' ? { name: decodeURIComponent(path) } : undefined,
      tls: secure ? {} : undefined,
    };
  } catch {
    return undefined;
  }
};

const ADDRESS_FORM = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i;

/** "a", "a:6379", "[::1]:6379", with commas between. @returns undefined where one is none of these */
const addressesOf = (hosts: string, port: number): Address[] | undefined => {
  // A single address of IPv6 may stand without brackets where no port can follow it.
  if (/^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(hosts)) return [{ host: hosts, port }];
  const matches = hosts.split(',').map((host) => ADDRESS_FORM.exec(host.trim()));
  const addresses = matches.map((match) => ({
    host: match?.[1] ?? match?.[2] ?? '',
    port: match?.[3] === undefined ? port : Number(match[3]),
  }));
  return addresses.every((each) => each.host !== '' && each.port >= 1 && each.port <= 65_535) ? addresses : undefined;
};

/** @returns what is wrong with both lanes' settings taken together, each with the setting's name and what to do */
export const redisProblems = (config: RedisConfig): string[] => [
  ...problemsOf(valuesOf(config, 'HIGH'), 'HIGH'),
  ...problemsOf(valuesOf(config, 'LOW'), 'LOW'),
];

const problemsOf = (values: Values, lane: LaneSuffix): string[] => {
  const problems: string[] = [];
  const complain = (name: keyof Rows, complaint: string): number =>
    problems.push(`REDIS_${name}_${lane}: ${complaint}`);
  const server = values.URL === undefined ? fromNames(values) : fromUrl(values.URL);
  if (!server) return [`REDIS_URL_${lane}: ${URL_RULE}`];
  if (values.URL !== undefined) contradictions(values, server, lane, complain);
  else if (values.CLUSTER && values.SENTINEL !== undefined) {
    complain('CLUSTER', `a Redis Cluster needs no Sentinels; set only one of this and REDIS_SENTINEL_${lane}`);
  } else if (server.addresses.length === 0) {
    complain('HOST', 'must be a host, or several with commas between, as a:6379,b:6379');
  } else if (server.kind === 'server' && server.addresses.length > 1) {
    complain(
      'HOST',
      `names several hosts: set REDIS_CLUSTER_${lane}=true, or REDIS_SENTINEL_${lane} to the primary's name`,
    );
  }
  if (values.SENTINEL_PASSWORD !== undefined && server.kind !== 'sentinel') {
    complain('SENTINEL_PASSWORD', `there are no Sentinels; set REDIS_SENTINEL_${lane} to the primary's name`);
  }
  if ((values.CERT_FILE === undefined) !== (values.KEY_FILE === undefined)) {
    complain(
      values.CERT_FILE === undefined ? 'CERT_FILE' : 'KEY_FILE',
      'a certificate needs its key: set both or none',
    );
  }
  for (const name of ['CA_FILE', 'CERT_FILE', 'KEY_FILE'] as const) {
    const file = values[name];
    if (file === undefined) continue;
    if (!server.tls) complain(name, `is for TLS: set REDIS_TLS_${lane}=true, or write rediss:// in REDIS_URL_${lane}`);
    else if (!isReadable(file)) complain(name, `cannot read ${file}`);
  }
  return problems;
};

/** What a URL says, nothing else may say otherwise. */
const contradictions = (
  values: Values,
  server: RedisServer,
  lane: LaneSuffix,
  complain: (name: keyof Rows, complaint: string) => void,
): void => {
  if (values.TLS && !server.tls) complain('TLS', `write rediss in REDIS_URL_${lane}, which says redis`);
  if (values.CLUSTER && server.kind !== 'cluster') complain('CLUSTER', `write redis+cluster:// in REDIS_URL_${lane}`);
  if (values.SENTINEL !== undefined && values.SENTINEL !== server.sentinel?.name) {
    complain('SENTINEL', `write redis+sentinel://…/${values.SENTINEL} in REDIS_URL_${lane}`);
  }
  for (const name of ['USERNAME', 'PASSWORD'] as const) {
    const inUrl = name === 'USERNAME' ? server.username : server.password;
    if (inUrl !== undefined && values[name] !== undefined && values[name] !== inUrl) {
      complain(name, `REDIS_URL_${lane} has another one; give it once`);
    }
  }
};

const isReadable = (file: string): boolean => {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
};

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseCopy, parseDockerfile, parseEnv, type Stage } from './dockerfile.ts';

/** What an image says of itself, and where its files are. */
export interface Image {
  root: string;
  env: Record<string, string>;
  workdir: string;
  user: string;
  entrypoint: string[];
}

export interface BuildOptions {
  /** Of the project: the Dockerfile and what it copies. */
  context: string;
  /** Where root file systems are made. */
  folder: string;
  /** The Node of the base image. */
  node: string;
}

const NEEDED = ['mmdebstrap', 'unshare', 'chroot', 'setpriv'];

/** Whether this machine can make root file systems and run in them. */
export const canBuildImages = (): boolean =>
  NEEDED.every((name) => spawnSync('which', [name]).status === 0) &&
  spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status === 0;

/**
 * Builds the last stage of the project's Dockerfile without a Docker engine: Debian's own packages in a folder stand for Debian's
 * image, with Node's binary and npm in it for that of Node, and the steps run in it as root, with no more of this machine than
 * its network and the settings of its package manager.
 *
 * @throws Error when a step fails, with what it said
 */
export const buildImage = (dockerfile: string, options: BuildOptions): Image => {
  const stages = parseDockerfile(dockerfile);
  const built = new Map<string, Image>();
  const images = stages.map((stage, i) => {
    const root = join(options.folder, stage.name ?? `stage-${i}`);
    const base = built.get(stage.from) ?? baseImage(stage.from, options);
    execFileSync('cp', ['--archive', base.root, root]);
    const image = { ...base, root };
    runSteps(stage, image, built, options);
    if (stage.name) built.set(stage.name, image);
    return image;
  });
  return images.at(-1) as Image;
};

const bases = new Map<string, Image>();

const baseImage = (name: string, options: BuildOptions): Image => {
  const known = bases.get(name);
  if (known) return known;
  const image = { root: join(options.folder, 'base'), env: {}, workdir: '/', user: '0:0', entrypoint: [] };
  if (!existsSync(image.root)) installDebian(image.root);
  if (/^node:24\b/.test(name)) {
    const root = join(options.folder, 'base-node');
    execFileSync('cp', ['--archive', image.root, root]);
    installNode(root, options.node);
    image.root = root;
  } else if (!/^debian:bookworm-slim$/.test(name)) {
    throw new Error(`what would be in ${name}?`);
  }
  bases.set(name, image);
  return image;
};

const DOCUMENTS = ['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

const installDebian = (root: string): void => {
  const sources = globSync('/etc/apt/{sources.list,sources.list.d/debian.sources}').filter((file) => existsSync(file));
  execFileSync('mmdebstrap', ['--variant=minbase', '--quiet', ...DOCUMENTS, 'bookworm', root, ...sources], {
    stdio: 'pipe',
  });
};

const installNode = (root: string, node: string): void => {
  cpSync(realpathSync(node), join(root, 'usr/local/bin/node'));
  const which = execFileSync('which', ['npm'], { encoding: 'utf8', env: { PATH: '/usr/local/bin:/usr/bin:/bin' } });
  const npm = dirname(dirname(realpathSync(which.trim())));
  cpSync(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
};

const runSteps = (stage: Stage, image: Image, built: Map<string, Image>, options: BuildOptions): void => {
  for (const { name, text } of stage.steps) {
    if (name === 'ENV') image.env = { ...image.env, ...parseEnv(text) };
    else if (name === 'USER') image.user = text;
    else if (name === 'ENTRYPOINT') image.entrypoint = JSON.parse(text) as string[];
    else if (name === 'WORKDIR') {
      image.workdir = resolve(image.workdir, text);
      mkdirSync(join(image.root, image.workdir), { recursive: true });
    } else if (name === 'COPY') copy(text, image, built, options);
    else if (name === 'RUN')
      execFileSync('unshare', inside(image, text), { stdio: 'pipe', env: { PATH: process.env.PATH } });
  }
};

const copy = (text: string, image: Image, built: Map<string, Image>, { context }: BuildOptions): void => {
  const { from, sources, target } = parseCopy(text);
  const source = from === undefined ? context : built.get(from)?.root;
  if (source === undefined) throw new Error(`there is no stage ${from}`);
  const to = join(image.root, resolve(image.workdir, target));
  const isFolder = target.endsWith('/');
  for (const path of sources) {
    const file = resolve(source, path.replace(/^\//, './'));
    // Of a folder, Docker copies what it holds.
    cpSync(file, isFolder && !statSync(file).isDirectory() ? join(to, basename(file)) : to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (each) => from !== undefined || !IGNORED.test(each.slice(context.length)),
    });
  }
};

/** What .dockerignore keeps away of the folders that are copied. */
const IGNORED = /\/(?:src\/database\/generated|web\/node_modules|web\/dist|workers\/cpp|workers\/python|__pycache__)/;

/** Arguments for `unshare`, to run a script in the image as root. */
const inside = ({ root, env, workdir }: Image, script: string): string[] => {
  const own = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    npm_config_userconfig: '/run/npmrc',
    npm_config_cache: '/run/npm',
    NODE_EXTRA_CA_CERTS: '/run/certificates',
    ...env,
  };
  const variables = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  // Mounted, so that nothing of it stays in the image.
  const setUp = [
    `cd '${root}'`,
    'mount --types proc proc proc',
    'mount --bind /dev dev',
    'mount --types tmpfs tmpfs run',
    'mkdir run/npm && touch run/npmrc run/certificates etc/resolv.conf',
    `mkdir --parents '${NPM_CACHE}' && mount --bind '${NPM_CACHE}' run/npm`,
    ...mounts(join(homedir(), '.npmrc'), 'run/npmrc'),
    ...mounts(process.env.NODE_EXTRA_CA_CERTS, 'run/certificates'),
    ...mounts('/etc/resolv.conf', 'etc/resolv.conf'),
    'exec chroot . env --ignore-environment --chdir="$0" "$@"',
  ];
  const command = [...variables, 'sh', '-c', `set -e; ${script}`];
  return ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', setUp.join('\n'), workdir, ...command];
};

const NPM_CACHE = join(homedir(), '.npm');

const mounts = (file: string | undefined, target: string): string[] =>
  file && existsSync(file) ? [`mount --bind '${file}' ${target}`] : [];

/**
 * Arguments for `unshare`, to run the entrypoint of an image as its container would: as its user, without any rights, as process 1, in
 * a file system that cannot be written but for /tmp, and with nothing in its environment but this.
 */
export const asContainer = (
  { root, env, workdir, user, entrypoint }: Image,
  settings: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): string[] => {
  const [uid, gid] = user.split(':');
  const own = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env, ...settings };
  const variables = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  const setUp = [
    `mount --bind '${root}' '${root}'`,
    `cd '${root}'`,
    'mount --types proc proc proc',
    'mount --types tmpfs tmpfs tmp',
    `mount --options remount,bind,ro '${root}'`,
    `exec chroot . setpriv --reuid ${uid} --regid ${gid} --clear-groups --no-new-privs --bounding-set -all "$0" "$@"`,
  ];
  const command = ['env', '--ignore-environment', `--chdir=${workdir}`, ...variables, ...entrypoint, ...args];
  return ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', setUp.join('\n'), ...command];
};

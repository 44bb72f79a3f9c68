/** One step of a Dockerfile. */
export interface Step {
  /** "RUN" */
  name: string;
  /** What follows, with its lines joined. */
  text: string;
}

/** What is between one FROM and the next. */
export interface Stage {
  /** What FROM names: an image, or an earlier stage. */
  from: string;
  /** Its own name; of the last stage there may be none. */
  name: string | undefined;
  steps: Step[];
}

/**
 * Reads as much of the language as our Dockerfiles use: no ARG, no heredocs, no flags but `--from`.
 *
 * @throws Error for what it does not know
 */
export const parseDockerfile = (text: string): Stage[] => {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: Stage[] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (!KNOWN.has(name)) throw new Error(`what is this in a Dockerfile? ${line}`);
    if (name !== 'FROM') {
      stages.at(-1)?.steps.push({ name, text: rest.trim() });
      continue;
    }
    const [, from = '', stage] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
    stages.push({ from, name: stage, steps: [] });
  }
  return stages;
};

const KNOWN = new Set(['FROM', 'WORKDIR', 'ENV', 'COPY', 'RUN', 'USER', 'EXPOSE', 'ENTRYPOINT']);

/** The files of a COPY, where they go, and the stage that they come from, if it is one. */
export const parseCopy = (text: string): { from: string | undefined; sources: string[]; target: string } => {
  const words = text.split(/\s+/);
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  return { from, sources: words.slice(0, -1), target: words.at(-1) ?? '' };
};

/** `A=1 B=/bin/true` */
export const parseEnv = (text: string): Record<string, string> =>
  Object.fromEntries(text.split(/\s+/).map((pair) => pair.split('=') as [string, string]));

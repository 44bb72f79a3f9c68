import { Argument, type Command } from 'commander';
import { addCommand } from './define.ts';
import { offline } from './session.ts';

/** A command of the tree, with what may come after it. */
interface Node {
  /** "keys create"; empty for the program itself. */
  path: string;
  description: string;
  children: { name: string; description: string }[];
  options: { flags: string[]; description: string; takesValue: boolean; choices: string[] }[];
}

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `completion`: a script for a shell, made from the commands as they are. */
export const addCompletionCommand = (program: Command): void => {
  const command = addCommand(
    program,
    'completion',
    'Prints a script that completes commands and options in your shell.',
    [
      'taskflow completion bash > ~/.local/share/bash-completion/completions/taskflow',
      'taskflow completion zsh > ~/.zfunc/_taskflow',
      'taskflow completion fish > ~/.config/fish/completions/taskflow.fish',
    ],
  ).addArgument(new Argument('<shell>', 'for which shell').choices(SHELLS));
  offline(command, (output, _options, shell: (typeof SHELLS)[number]) => {
    const script = { bash, zsh, fish }[shell](nodesOf(program));
    output.json({ shell, script });
    output.line(script);
  });
};

const nodesOf = (command: Command, path: readonly string[] = []): Node[] => {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');
  const options = command.createHelp().visibleOptions(command);
  return [
    {
      path: path.join(' '),
      description: command.description(),
      children: visible.map((child) => ({ name: child.name(), description: child.description() })),
      options: options.map((option) => ({
        flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
        description: option.description,
        takesValue: option.required || option.optional,
        choices: option.argChoices ?? [],
      })),
    },
    ...visible.flatMap((child) => nodesOf(child, [...path, child.name()])),
  ];
};

const wordsAfter = ({ children, options }: Node): string =>
  [...children.map(({ name }) => name), ...options.flatMap(({ flags }) => flags)].join(' ');

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** All commands, quoted. */
const pathsOf = (nodes: readonly Node[]): string[] =>
  nodes.filter(({ path }) => path !== '').map(({ path }) => quoted(path));

/** The branches of a `case` over a command and its option before the cursor, for options that take a value. */
const choicesOf = (nodes: readonly Node[], complete: (values: readonly string[]) => string): string[] =>
  nodes.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .flatMap(({ flags, choices }) =>
        flags.map((flag) => `    ${quoted(`${path} ${flag}`)}) ${complete(choices)} ;;`),
      ),
  );

/** Which words name the command, and which are its arguments, is decided by the paths that there are. */
const bash = (nodes: readonly Node[]): string => {
  const cases = nodes.map((node) => `    ${quoted(node.path)}) words=${quoted(wordsAfter(node))} ;;`);
  const choices = choicesOf(nodes, (values) => (values.length > 0 ? `words=${quoted(values.join(' '))}` : 'files=1'));
  return `# Completion of taskflow for bash.
_taskflow() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= words= files= i candidate
  for ((i = 1; i < COMP_CWORD; i++)); do
    candidate="\${path:+$path }\${COMP_WORDS[i]}"
    case "$candidate" in
      ${pathsOf(nodes).join('|')}) path=$candidate ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  case "$path $previous" in
${choices.join('\n')}
  esac
  if [[ $files ]]; then COMPREPLY=($(compgen -f -- "$current"))
  else COMPREPLY=($(compgen -W "$words" -- "$current")); fi
}
complete -F _taskflow taskflow`;
};

const zsh = (nodes: readonly Node[]): string => {
  const described = (name: string, description: string): string =>
    quoted(`${name}:${description.replaceAll(':', '\\:')}`);
  const cases = nodes.map(({ path, children, options }) => {
    const entries = [
      ...children.map(({ name, description }) => described(name, description)),
      ...options.flatMap(({ flags, description }) => flags.map((flag) => described(flag, description))),
    ];
    return `    ${quoted(path)}) candidates=(${entries.join(' ')}) ;;`;
  });
  const choices = choicesOf(
    nodes,
    (values) => `${values.length > 0 ? `compadd ${values.join(' ')}` : '_files'}; return`,
  );
  return `#compdef taskflow
# Completion of taskflow for zsh.
_taskflow() {
  local place='' candidate
  local -a candidates
  local i
  for ((i = 2; i < CURRENT; i++)); do
    candidate="\${place:+$place }\${words[i]}"
    case "$candidate" in
      ${pathsOf(nodes).join('|')}) place=$candidate ;;
    esac
  done
  case "$place \${words[CURRENT-1]}" in
${choices.join('\n')}
  esac
  case "$place" in
${cases.join('\n')}
  esac
  _describe taskflow candidates
}
if [[ \${funcstack[1]} == _taskflow ]]; then _taskflow "$@"; else compdef _taskflow taskflow; fi`;
};

const fish = (nodes: readonly Node[]): string => {
  const lines = nodes.flatMap(({ path, children, options }) => {
    const here = `complete -c taskflow -n ${quoted(`__taskflow_at ${quoted(path)}`)}`;
    return [
      ...children.map(({ name, description }) => `${here} -f -a ${name} -d ${quoted(description)}`),
      ...options.map(({ flags, description, takesValue, choices }) => {
        const names = flags
          .map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
          .join(' ');
        const value = choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : takesValue ? ' -r' : '';
        return `${here} ${names}${value} -d ${quoted(description)}`;
      }),
    ];
  });
  return `# Completion of taskflow for fish.
function __taskflow_at
  set -l place ''
  for word in (commandline -opc)[2..-1]
    set -l candidate (string trim -- "$place $word")
    contains -- "$candidate" ${pathsOf(nodes).join(' ')}; and set place $candidate
  end
  test "$place" = "$argv[1]"
end
${lines.join('\n')}`;
};

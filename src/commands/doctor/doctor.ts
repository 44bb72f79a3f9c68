import { statSync } from 'node:fs';
import type { Command } from 'commander';
import packageJson from '../../../package.json' with { type: 'json' };
import { loadConfig, readEnvironment } from '../../config.ts';
import { TaskFlowError } from '../../errors.ts';
import { addCommand } from '../define.ts';
import { exitCode } from '../exit-codes.ts';
import { profileFile } from '../profile.ts';
import { online, type Session } from '../session.ts';
import { plain } from '../text.ts';
import type { Finding } from './finding.ts';
import { fault, ok, warning } from './finding.ts';

/** It runs TypeScript as it is. */
const MIN_NODE = 24;

/** `doctor`: looks for what is wrong, and says what to do. */
export const addDoctorCommand = (program: Command): void => {
  online(
    addCommand(
      program,
      'doctor',
      'Checks versions, the login, the api, clocks and workers; where DATABASE_URL is set, also settings, PostgreSQL, migrations and Redis.',
      ['taskflow doctor', 'taskflow doctor --json | jq \'select(.verdict != "ok")\''],
    ),
    async (session) => {
      const { checkApi } = await import('./api-checks.ts');
      const findings = [...checkProgram(), ...(await checkApi(session)), ...(await checkSettings())];
      tell(session, findings);
    },
  );
};

const checkProgram = (): Finding[] => {
  const { node } = process.versions;
  const file = profileFile();
  const mode = statSync(file, { throwIfNoEntry: false })?.mode;
  return [
    ok('taskflow', `version ${packageJson.version}`),
    Number.parseInt(node, 10) >= MIN_NODE
      ? ok('Node', `version ${node}`)
      : fault('Node', `version ${node} is too old`, `Use ${MIN_NODE} or newer.`),
    ...(mode !== undefined && (mode & 0o077) !== 0
      ? [warning('logins', `${file} can be read by others`, `Run \`chmod 600 ${file}\`, and log in again.`)]
      : []),
  ];
};

/** Only those who run the servers have settings; who only uses an API has none. */
const checkSettings = async (): Promise<Finding[]> => {
  const env = readEnvironment();
  if (!env.DATABASE_URL) return [];
  try {
    const config = loadConfig(['database'], env);
    const { checkServers } = await import('./server-checks.ts');
    return [ok('settings', 'can be read'), ...(await checkServers(config))];
  } catch (error) {
    if (!(error instanceof TaskFlowError)) throw error;
    const advice = "Mend it in the environment or in .env; the README's table of settings says what is allowed.";
    return error.message.split('\n').map((line) => fault('settings', line, advice));
  }
};

const MARKS = { ok: 'ok', warning: 'WARNING', fault: 'FAULT' } as const;
const STATUS = { ok: 'COMPLETED', warning: 'CANCELLED', fault: 'FAILED' } as const;

const tell = ({ output }: Session, findings: readonly Finding[]): void => {
  const width = Math.max(...findings.map(({ name }) => name.length));
  for (const finding of findings) {
    output.json(finding);
    const { verdict, name, detail, advice } = finding;
    const mark = output.inStyleOf(STATUS[verdict], MARKS[verdict].padEnd(7));
    output.line(`${mark}  ${plain(name).padEnd(width)}  ${plain(detail)}`);
    if (advice) output.line(`${' '.repeat(9 + width)}  → ${advice}`);
  }
  const faults = findings.filter(({ verdict }) => verdict === 'fault').length;
  if (faults > 0) process.exitCode = exitCode('PARTLY');
};

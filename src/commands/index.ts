import type { Command } from 'commander';
import { addAccountCommands } from './account.ts';
import { addActionCommands } from './actions.ts';
import { addCompletionCommand } from './completion.ts';
import { addDoctorCommand } from './doctor/doctor.ts';
import { addFlowCommands } from './flows.ts';
import { addKeyCommands } from './keys.ts';
import { addOperationCommands } from './operations.ts';
import { addQueueCommands } from './queues.ts';
import { addScheduleCommands } from './schedules.ts';
import { addSubmitCommand } from './submit.ts';
import { addTaskCommands } from './tasks.ts';
import { addTopCommand } from './top.ts';
import { addUserCommands } from './users.ts';
import { addWatchCommands } from './watch.ts';

/** Adds the commands that talk to an API, as any of its clients. */
export const addCommands = (program: Command): void => {
  program.commandsGroup('Tasks:');
  addSubmitCommand(program);
  addTaskCommands(program);
  addWatchCommands(program);
  addActionCommands(program);
  addOperationCommands(program);
  addFlowCommands(program);
  addScheduleCommands(program);
  program.commandsGroup('Queues and workers:');
  addQueueCommands(program);
  addTopCommand(program);
  program.commandsGroup('Users:');
  addUserCommands(program);
  program.commandsGroup('You:');
  addAccountCommands(program);
  addKeyCommands(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
};

import { badInput } from '../errors.ts';

export const QUEUE_NAME = /^[a-z0-9._-]{1,64}$/;

/** @throws TaskFlowError BAD_USER_INPUT for what cannot name a queue */
export const checkQueueName = (name: string): string => {
  if (!QUEUE_NAME.test(name)) throw badInput('name', `name must match ${QUEUE_NAME.source}.`);
  return name;
};

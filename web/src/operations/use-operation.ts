import type { Client, CombinedError } from '@urql/core';
import { useState } from 'react';
import { useClient, useSubscription } from 'urql';
import type { TaskWhere } from '../schema.generated.ts';
import {
  CancelOperationDocument,
  CancelTasksDocument,
  DeleteTasksDocument,
  type OperationProgressFragment,
  OperationUpdatedDocument,
  RetryTasksDocument,
} from './operations.generated.ts';

export type BulkKind = 'RETRY' | 'CANCEL' | 'DELETE';

export interface Order {
  kind: BulkKind;
  /** An empty one means all tasks. */
  where: TaskWhere;
  dryRun: boolean;
  /** Of a CANCEL. */
  reason?: string;
}

export interface RunningOperation {
  /** As it is now; undefined before it was asked for. */
  operation: OperationProgressFragment | undefined;
  isStarting: boolean;
  error: CombinedError | undefined;
  start: (order: Order) => Promise<void>;
  /** What was done stays done. */
  stop: () => Promise<void>;
}

/** Something done to many tasks, watched until its end. */
export const useOperation = (): RunningOperation => {
  const client = useClient();
  const [started, setStarted] = useState<OperationProgressFragment>();
  const [isStarting, setIsStarting] = useState(false);
  const [error, setError] = useState<CombinedError>();
  const id = started?.id;
  const [watched] = useSubscription({
    query: OperationUpdatedDocument,
    variables: { id: id ?? '' },
    pause: id === undefined,
  });
  const now = watched.data?.operationUpdated;
  return {
    operation: now?.id === id ? (now ?? started) : started,
    isStarting,
    error: error ?? watched.error,
    start: async (order) => {
      setIsStarting(true);
      const answer = await ask(client, order);
      setIsStarting(false);
      setError(answer.error);
      setStarted(answer.operation);
    },
    stop: async () => {
      if (id === undefined) return;
      const answer = await client.mutation(CancelOperationDocument, { id }).toPromise();
      setError(answer.error);
    },
  };
};

interface Answer {
  operation: OperationProgressFragment | undefined;
  error: CombinedError | undefined;
}

const ask = async (client: Client, { kind, where, dryRun, reason }: Order): Promise<Answer> => {
  const variables = { where, all: Object.keys(where).length === 0, dryRun };
  if (kind === 'CANCEL') {
    const { data, error } = await client
      .mutation(CancelTasksDocument, { ...variables, reason: reason ?? null })
      .toPromise();
    return { operation: data?.cancelTasks, error };
  }
  if (kind === 'RETRY') {
    const { data, error } = await client.mutation(RetryTasksDocument, variables).toPromise();
    return { operation: data?.retryTasks, error };
  }
  const { data, error } = await client.mutation(DeleteTasksDocument, variables).toPromise();
  return { operation: data?.deleteTasks, error };
};

export const hasEnded = ({ status }: OperationProgressFragment): boolean => status !== 'QUEUED' && status !== 'RUNNING';

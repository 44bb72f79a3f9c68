import type { Shard } from '../../src/broker/lanes.ts';
import { beginTerm } from '../../workers/manager/reconcile-store.ts';
import { Reconciler } from '../../workers/manager/reconciler.ts';
import type { Term } from '../../workers/manager/record-store.ts';
import { Recorder } from '../../workers/manager/recorder.ts';
import { silent } from './factory.ts';
import type { TestApp } from './setup.ts';

/** A term of a shard whose parts run when the test says so. */
export interface TestTerm extends AsyncDisposable {
  term: Term;
  recorder: Recorder;
  reconciler: Reconciler;
  signal: AbortSignal;
  /** Starts the recorder; the promise fails when it fails. */
  record(): Promise<void>;
}

export const beginTestTerm = async ({ broker, database }: TestApp, shard: Shard): Promise<TestTerm> => {
  const term = { shardId: shard.id, term: await beginTerm(database, shard.id) };
  const recorder = new Recorder(broker, shard, database, term, shard.lane.connect(), silent);
  const reconciler = new Reconciler({ broker, shard, database, term, recorder, logger: silent });
  const end = new AbortController();
  let running: Promise<void> = Promise.resolve();
  return {
    term,
    recorder,
    reconciler,
    signal: end.signal,
    record: () => {
      running = recorder.run(end.signal);
      running.catch(() => undefined);
      return running;
    },
    [Symbol.asyncDispose]: async () => {
      end.abort();
      recorder.close();
      // Its read ends with its connection.
      await running.catch(() => undefined);
    },
  };
};

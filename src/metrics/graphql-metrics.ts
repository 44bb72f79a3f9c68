import { Counter, Gauge, Histogram } from 'prom-client';
import { NO_ERROR, OTHER } from './labels.ts';
import { type Registry, SHORT_BUCKETS } from './registry.ts';

/** What is asked for. */
export interface MeasuredOperation {
  /** "query", "mutation" or "subscription". */
  type: string;
  /** The first field of the operation, which the schema knows: clients may call operations whatever they like. */
  name: string;
}

/** Counts GraphQL operations, and the subscriptions that run. */
export class GraphQLMetrics {
  readonly #operations: Counter<'operation' | 'type' | 'code'>;
  readonly #durations: Histogram<'operation' | 'type'>;
  readonly #subscriptions: Gauge<'operation'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#operations = new Counter({
      name: 'taskflow_graphql_operations_total',
      help: 'GraphQL operations by their first field and the code of their first error ("OK" for none). Those that were refused before they ran are "other".',
      labelNames: ['operation', 'type', 'code'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'taskflow_graphql_operation_duration_seconds',
      help: 'How long queries and mutations ran.',
      labelNames: ['operation', 'type'],
      buckets: SHORT_BUCKETS,
      registers,
    });
    this.#subscriptions = new Gauge({
      name: 'taskflow_graphql_subscriptions',
      help: 'Subscriptions that run now, over WebSocket and Server-Sent Events.',
      labelNames: ['operation'],
      registers,
    });
  }

  /** A query or mutation is over. */
  executed({ type, name }: MeasuredOperation, code: string, durationMs: number): void {
    this.#operations.inc({ operation: name, type, code });
    this.#durations.observe({ operation: name, type }, durationMs / 1_000);
  }

  /** @returns what is called when it ends */
  subscribed({ type, name }: MeasuredOperation): () => void {
    this.#operations.inc({ operation: name, type, code: NO_ERROR });
    this.#subscriptions.inc({ operation: name });
    return () => this.#subscriptions.dec({ operation: name });
  }

  /** An operation did not get so far as to run. */
  refused(code: string, { type, name }: MeasuredOperation = { type: OTHER, name: OTHER }): void {
    this.#operations.inc({ operation: name, type, code });
  }
}

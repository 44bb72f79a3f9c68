import {
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
  type GraphQLError,
  getOperationAST,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { ResolvedMutation } from '../graphql/compiled-mutations.ts';
import type { GraphQLMetrics, MeasuredOperation } from '../metrics/graphql-metrics.ts';
import { NO_ERROR, OTHER } from '../metrics/labels.ts';

/** The code of the first error, or "OK". */
export const codeOf = ({ errors }: { errors?: readonly GraphQLError[] | undefined }): string =>
  errors?.length ? String(errors[0]?.extensions.code ?? OTHER) : NO_ERROR;

/** Counts operations, however they came: all of them run through the engine that has this plugin. */
export const measureOperations = (metrics: GraphQLMetrics): Plugin => ({
  // At the end, after the plugin that masks errors: before it, they have no codes yet.
  onPluginInit: ({ plugins }) => {
    plugins.push(countOperations(metrics));
  },
});

const countOperations = (metrics: GraphQLMetrics): Plugin => {
  const counted = new WeakSet<object>();
  return {
    onExecute: ({ args }) => {
      const startedAt = args.rootValue instanceof ResolvedMutation ? args.rootValue.startedAt : performance.now();
      const operation = describeOperation(args.document, args.operationName);
      return {
        onExecuteDone: ({ result }) => {
          if (isAsyncIterable(result)) return;
          counted.add(result);
          metrics.executed(operation, codeOf(result), performance.now() - startedAt);
        },
      };
    },
    onSubscribe: ({ args }) => {
      const operation = describeOperation(args.document, args.operationName);
      return {
        onSubscribeResult: ({ result, setResult }) => {
          if (isAsyncIterable(result)) {
            setResult(new CountedResults(result[Symbol.asyncIterator](), metrics.subscribed(operation)));
          } else {
            counted.add(result);
            metrics.refused(codeOf(result), operation);
          }
        },
      };
    },
    /** Yoga's HTTP path: whatever did not get so far as to run. */
    onResultProcess: ({ result }) => {
      const single = result as ExecutionResult;
      if (single.errors?.length && !counted.has(single)) metrics.refused(codeOf(single));
    },
  };
};

/** By document, which is the same object for the same text: the parser's cache keeps it. */
const described = new WeakMap<DocumentNode, Map<string | undefined, MeasuredOperation>>();

/** What an operation is counted as. */
export const describeOperation = (document: DocumentNode, name: string | null | undefined): MeasuredOperation => {
  let operations = described.get(document);
  if (!operations) {
    operations = new Map();
    described.set(document, operations);
  }
  let operation = operations.get(name ?? undefined);
  if (!operation) {
    const node = getOperationAST(document, name);
    const field = node && firstField(node.selectionSet, document);
    operation = { type: node?.operation ?? OTHER, name: field ?? OTHER };
    operations.set(name ?? undefined, operation);
  }
  return operation;
};

/** @returns its name in the schema, which validation has checked; undefined for a selection without fields */
const firstField = ({ selections }: SelectionSetNode, document: DocumentNode): string | undefined => {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) return selection.name.value;
    const inner =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection
        : document.definitions.find(
            (definition): definition is FragmentDefinitionNode =>
              definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
          );
    const field = inner && firstField(inner.selectionSet, document);
    if (field) return field;
  }
  return undefined;
};

/** Results of a subscription that say when they are over, however they end. */
class CountedResults implements AsyncIterableIterator<ExecutionResult> {
  readonly #source: AsyncIterator<ExecutionResult>;
  #onEnd: (() => void) | undefined;

  constructor(source: AsyncIterator<ExecutionResult>, onEnd: () => void) {
    this.#source = source;
    this.#onEnd = onEnd;
  }

  async next(): Promise<IteratorResult<ExecutionResult>> {
    try {
      const result = await this.#source.next();
      if (result.done) this.#end();
      return result;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    this.#end();
    await this.#source.return?.();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    this.#onEnd?.();
    this.#onEnd = undefined;
  }
}

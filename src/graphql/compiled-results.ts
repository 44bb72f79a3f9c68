import {
  type DocumentNode,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
} from 'graphql';
import { SelectionCompiler, UNSURE, variablesOfDirectives } from './selection-compiler.ts';

/**
 * Writes what executing a subscription's selection for one value of its source gives, as JSON text: `{"data":{…}}`.
 *
 * @returns undefined where that takes an execution
 */
export type WriteResult = (value: unknown) => string | undefined;

/** A subscription that is valid, as a client asks for it. */
export interface AskedSubscription {
  document: DocumentNode;
  operationName?: string | null | undefined;
  variableValues?: Readonly<Record<string, unknown>> | null | undefined;
}

/** Selections of one document that are kept, one for each outcome of its @skip and @include. */
const MAX_VARIANTS = 50;

interface Variants {
  /** On which variables of the client its directives depend. */
  variables: readonly string[];
  writers: Map<string, WriteResult | undefined>;
}

/**
 * Selections of subscriptions, compiled once for all subscribers with the same operation. What a writer writes depends on the
 * value alone, so it may be shared by all who get this value; whatever else a result may depend on (who asks, arguments, a
 * read) takes an execution, and so does whatever is not as its type says: the writer then gives no text.
 */
export class CompiledResults {
  readonly #schema: GraphQLSchema;
  readonly #known = new WeakMap<DocumentNode, Variants>();

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /** @returns undefined for an operation whose results always take an execution */
  writerOf({ document, operationName, variableValues }: AskedSubscription): WriteResult | undefined {
    const { variables, writers } = this.#variantsOf(document);
    const key = JSON.stringify([operationName, ...variables.map((name) => variableValues?.[name])]);
    if (writers.has(key)) return writers.get(key);
    if (writers.size >= MAX_VARIANTS) return undefined;
    const operation = getOperationAST(document, operationName);
    const { coerced } = getVariableValues(this.#schema, operation?.variableDefinitions ?? [], variableValues ?? {});
    // Whoever begins the subscription says what is wrong with them. It is not remembered: the next one's may be right.
    if (!coerced) return undefined;
    const writer = compile(this.#schema, document, operation, coerced);
    writers.set(key, writer);
    return writer;
  }

  #variantsOf(document: DocumentNode): Variants {
    let variants = this.#known.get(document);
    if (!variants) {
      variants = { variables: variablesOfDirectives(document), writers: new Map() };
      this.#known.set(document, variants);
    }
    return variants;
  }
}

const compile = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode | null | undefined,
  variables: Record<string, unknown>,
): WriteResult | undefined => {
  const root = schema.getSubscriptionType();
  if (!root || operation?.operation !== 'subscription') return undefined;
  try {
    const write = new SelectionCompiler(schema, document, variables).ofObject(root, [operation.selectionSet]);
    return (value) => {
      try {
        return `{"data":${write(value)}}`;
      } catch {
        return undefined;
      }
    };
  } catch (error) {
    if (error === UNSURE) return undefined;
    throw error;
  }
};

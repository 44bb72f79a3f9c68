import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  GraphQLSchema,
  getArgumentValues,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
} from 'graphql';
import type { Context } from './context.ts';
import { type CoerceVariables, compileVariables, type GivenVariables } from './input-compiler.ts';
import { SelectionCompiler, UNSURE, variablesOfDirectives, type Write } from './selection-compiler.ts';

/** A mutation whose variables and arguments are as they should be. */
export interface ReadyMutation {
  /**
   * Runs its resolver, which says who may, and what is wrong.
   *
   * @returns the whole answer as JSON text: `{"data":{…}}`; or what is left to an execution: it says the same, in its words
   */
  run(contextValue: Context): Promise<string | ResolvedMutation>;
}

/** @returns undefined where GraphQL has something to say about the variables or arguments; nothing has run then */
type PrepareMutation = (variables: GivenVariables) => ReadyMutation | undefined;

/** The resolver of a mutation has run. For the executions of `schema`, this is the root value that has the outcome. */
export class ResolvedMutation {
  /** The API's, but for the resolvers of mutations: they do nothing and have this outcome. */
  readonly schema: GraphQLSchema;
  /** When it began, as `performance.now()`. */
  readonly startedAt: number;
  /** Returns what the resolver returned, or throws what it threw. */
  readonly outcome: () => unknown;

  constructor(schema: GraphQLSchema, startedAt: number, outcome: () => unknown) {
    this.schema = schema;
    this.startedAt = startedAt;
    this.outcome = outcome;
  }
}

/**
 * Mutations, compiled once for all requests with the same document. One with a single field runs without the general executor:
 * its variables are coerced, its resolver is called, and what is selected of the result is written, all by what was made ready
 * for it. Whatever is unusual about the outcome (errors first of all) an execution answers, as ever.
 */
export class CompiledMutations {
  readonly #schema: GraphQLSchema;
  readonly #known = new WeakMap<DocumentNode, Map<string | undefined, PrepareMutation | undefined>>();
  #resolved: GraphQLSchema | undefined;

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /**
   * @param document a valid one
   * @returns undefined for an operation that is always executed, and for variables or arguments that are not right
   */
  prepare(
    document: DocumentNode,
    operationName: string | undefined,
    variables: GivenVariables,
  ): ReadyMutation | undefined {
    return this.#preparerOf(document, operationName)?.(variables);
  }

  /** Is it worth remembering for `prepare`? */
  has(document: DocumentNode, operationName: string | undefined): boolean {
    return this.#preparerOf(document, operationName) !== undefined;
  }

  #preparerOf(document: DocumentNode, operationName: string | undefined): PrepareMutation | undefined {
    let known = this.#known.get(document);
    if (!known) {
      known = new Map();
      this.#known.set(document, known);
    }
    const operation = getOperationAST(document, operationName);
    // What names no operation may be anything: it must not fill the memory.
    if (operation?.operation !== 'mutation') return undefined;
    if (known.has(operationName)) return known.get(operationName);
    const prepare = this.#compile(document, operation);
    known.set(operationName, prepare);
    return prepare;
  }

  #compile(document: DocumentNode, operation: OperationDefinitionNode): PrepareMutation | undefined {
    // Each outcome of them would be another selection: seldom worth it.
    if (variablesOfDirectives(document).length > 0) return undefined;
    const parts = compileParts(this.#schema, document, operation);
    if (!parts) return undefined;
    const { field, nodes, coerce } = parts;
    const info = infoOf(this.#schema, document, operation, parts);
    return (given) => {
      const variableValues = coerce(given);
      const args = variableValues && argumentsOf(field, nodes[0], variableValues);
      if (!args) return undefined;
      return { run: (contextValue) => this.#run(parts, args, contextValue, { ...info, variableValues }) };
    };
  }

  async #run(
    { field, prefix, write }: Parts,
    args: Record<string, unknown>,
    contextValue: Context,
    info: GraphQLResolveInfo,
  ): Promise<string | ResolvedMutation> {
    const startedAt = performance.now();
    const unusual = (outcome: () => unknown): ResolvedMutation => {
      this.#resolved ??= withOutcomes(this.#schema);
      return new ResolvedMutation(this.#resolved, startedAt, outcome);
    };
    let value: unknown;
    try {
      value = await field.resolve(undefined, args, contextValue, info);
    } catch (error) {
      return unusual(() => {
        throw error;
      });
    }
    try {
      return `${prefix}${write(value)}}}`;
    } catch {
      return unusual(() => value);
    }
  }
}

interface Parts {
  field: GraphQLField<unknown, unknown> & { resolve: NonNullable<GraphQLField<unknown, unknown>['resolve']> };
  /** That ask for it, under one name. */
  nodes: readonly [FieldNode, ...FieldNode[]];
  responseName: string;
  coerce: CoerceVariables;
  /** What the answer begins with. */
  prefix: string;
  write: Write;
}

/** @returns undefined for what takes an execution */
const compileParts = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Parts | undefined => {
  const root = schema.getMutationType();
  if (!root) return undefined;
  try {
    const compiler = new SelectionCompiler(schema, document, {});
    const [selected, ...more] = compiler.collect(root, [operation.selectionSet]);
    if (!selected || more.length > 0) return undefined;
    const [responseName, nodes] = selected;
    const field = root.getFields()[nodes[0]?.name.value ?? ''];
    if (!field?.resolve) return undefined;
    return {
      field: field as Parts['field'],
      nodes: nodes as [FieldNode, ...FieldNode[]],
      responseName,
      coerce: compileVariables(schema, operation),
      prefix: `{"data":{${JSON.stringify(responseName)}:`,
      write: compiler.ofType(field.type, nodes),
    };
  } catch (error) {
    if (error === UNSURE) return undefined;
    throw error;
  }
};

/** @returns undefined where an argument is not right */
const argumentsOf = (
  field: Parts['field'],
  node: FieldNode,
  variables: Record<string, unknown>,
): Record<string, unknown> | undefined => {
  try {
    return getArgumentValues(field, node, variables);
  } catch {
    return undefined;
  }
};

/** What a resolver is told of its operation, but for the variables. */
const infoOf = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  { field, nodes, responseName }: Parts,
): Omit<GraphQLResolveInfo, 'variableValues'> => {
  const parentType = schema.getMutationType() as GraphQLObjectType;
  const fragments = document.definitions.filter(
    (each): each is FragmentDefinitionNode => each.kind === Kind.FRAGMENT_DEFINITION,
  );
  return {
    fieldName: field.name,
    fieldNodes: nodes,
    returnType: field.type,
    parentType,
    path: { prev: undefined, key: responseName, typename: parentType.name },
    schema,
    fragments: Object.fromEntries(fragments.map((each) => [each.name.value, each])),
    rootValue: undefined,
    operation,
  };
};

/** A schema whose mutations have the outcome that their root value says. */
const withOutcomes = (schema: GraphQLSchema): GraphQLSchema => {
  const { mutation, types, ...config } = schema.toConfig();
  const { fields, ...ofMutation } = (mutation as GraphQLObjectType).toConfig();
  const resolve = ({ outcome }: ResolvedMutation): unknown => outcome();
  const resolved = Object.entries(fields).map(([name, field]) => [name, { ...field, resolve }]);
  return new GraphQLSchema({
    ...config,
    mutation: new GraphQLObjectType({ ...ofMutation, fields: Object.fromEntries(resolved) }),
    types: types.filter((type) => type !== mutation),
    assumeValid: true,
  });
};

import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type NamedTypeNode,
  type SelectionNode,
  type SelectionSetNode,
  typeFromAST,
  visit,
} from 'graphql';

/** Writes a value as JSON text. */
export type Write = (value: unknown) => string;

/** Thrown inside of writers: this value takes an execution. */
export const UNSURE = new Error('this takes an execution');

const unsure = (): never => {
  throw UNSURE;
};

/** What a result that is the same for everybody does not depend on. A resolver that looks at it takes an execution. */
const OUT_OF_SIGHT = new Proxy({}, { get: unsure, has: unsure, ownKeys: unsure });
const CONTEXT = new Proxy({}, { get: (_target, key) => (key === 'services' ? OUT_OF_SIGHT : unsure()), has: unsure });
const NO_ARGUMENTS = Object.freeze({});

/** On which variables of the client a document's directives depend. */
export const variablesOfDirectives = (document: DocumentNode): string[] => {
  const names = new Set<string>();
  visit(document, {
    Directive: (directive: DirectiveNode) => {
      for (const { value } of directive.arguments ?? []) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return [...names];
};

/** Every method throws UNSURE for what always takes an execution. */
export class SelectionCompiler {
  readonly #schema: GraphQLSchema;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #variables: Record<string, unknown>;

  constructor(schema: GraphQLSchema, { definitions }: DocumentNode, variables: Record<string, unknown>) {
    this.#schema = schema;
    this.#variables = variables;
    for (const each of definitions)
      if (each.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(each.name.value, each);
  }

  ofObject(type: GraphQLObjectType, selectionSets: readonly SelectionSetNode[]): Write {
    if (type.isTypeOf) unsure();
    const fields = [...this.collect(type, selectionSets)].map(([name, nodes], i) => ({
      prefix: `${i === 0 ? '' : ','}${JSON.stringify(name)}:`,
      write: this.#ofField(type, nodes),
    }));
    return (source) => {
      let text = '{';
      for (const { prefix, write } of fields) text += prefix + write(source);
      return `${text}}`;
    };
  }

  #ofField(parent: GraphQLObjectType, nodes: readonly FieldNode[]): Write {
    const name = nodes[0]?.name.value ?? '';
    if (name === '__typename') {
      const text = JSON.stringify(parent.name);
      return () => text;
    }
    const field = parent.getFields()[name] ?? unsure();
    const write = this.ofType(field.type, nodes);
    const { resolve } = field;
    if (!resolve) return (source) => write(present(property(source, name)));
    const args = field.args.length === 0 ? NO_ARGUMENTS : OUT_OF_SIGHT;
    return (source) => write(present(resolve(source, args, CONTEXT, OUT_OF_SIGHT as GraphQLResolveInfo)));
  }

  /** @param nodes that ask for it, under one name */
  ofType(type: GraphQLOutputType, nodes: readonly FieldNode[]): Write {
    if (!isNonNullType(type)) {
      const write = this.#ofNullable(type, nodes);
      return (value) => (value === null || value === undefined ? 'null' : write(value));
    }
    const write = this.#ofNullable(type.ofType, nodes);
    return (value) => (value === null || value === undefined ? unsure() : write(value));
  }

  #ofNullable(type: GraphQLOutputType, nodes: readonly FieldNode[]): Write {
    if (isLeafType(type)) return ofLeaf(type);
    if (isListType(type)) return ofList(this.ofType(type.ofType, nodes));
    if (!isObjectType(type)) return unsure();
    return this.ofObject(
      type,
      nodes.flatMap(({ selectionSet }) => selectionSet ?? []),
    );
  }

  /** As the specification's CollectFields. */
  collect(type: GraphQLObjectType, selectionSets: readonly SelectionSetNode[]): Map<string, FieldNode[]> {
    const groups = new Map<string, FieldNode[]>();
    const visited = new Set<string>();
    const add = ({ selections }: SelectionSetNode): void => {
      for (const node of selections) {
        if (!this.#isIncluded(node)) continue;
        if (node.kind === Kind.FIELD) addTo(groups, node);
        else if (node.kind === Kind.INLINE_FRAGMENT) {
          if (this.#applies(node.typeCondition, type)) add(node.selectionSet);
        } else if (!visited.has(node.name.value)) {
          visited.add(node.name.value);
          const fragment = this.#fragments.get(node.name.value) ?? unsure();
          if (this.#applies(fragment.typeCondition, type)) add(fragment.selectionSet);
        }
      }
    };
    for (const each of selectionSets) add(each);
    return groups;
  }

  #isIncluded(node: SelectionNode): boolean {
    for (const { name } of node.directives ?? [])
      if (name.value !== GraphQLSkipDirective.name && name.value !== GraphQLIncludeDirective.name) unsure();
    if (getDirectiveValues(GraphQLSkipDirective, node, this.#variables)?.if === true) return false;
    return getDirectiveValues(GraphQLIncludeDirective, node, this.#variables)?.if !== false;
  }

  #applies(condition: NamedTypeNode | undefined, type: GraphQLObjectType): boolean {
    if (!condition) return true;
    const wanted = typeFromAST(this.#schema, condition);
    return wanted === type || (isAbstractType(wanted) && this.#schema.isSubType(wanted, type));
  }
}

const addTo = (groups: Map<string, FieldNode[]>, node: FieldNode): void => {
  const name = (node.alias ?? node.name).value;
  const group = groups.get(name);
  if (group) group.push(node);
  else groups.set(name, [node]);
};

const property = (source: unknown, name: string): unknown => {
  const value = (source as Record<string, unknown>)[name];
  return typeof value === 'function' ? unsure() : value;
};

/** @returns the value, where it is there already and no error */
const present = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return unsure();
  const { then } = value as { then?: unknown };
  if (typeof then !== 'function') return value;
  // The execution asks again, and says what came of it.
  Promise.resolve(value).catch(() => undefined);
  return unsure();
};

const ofLeaf =
  (type: GraphQLLeafType): Write =>
  (value) =>
    JSON.stringify(type.serialize(value) ?? unsure()) ?? unsure();

const ofList =
  (write: Write): Write =>
  (value) => {
    if (!Array.isArray(value)) return unsure();
    let text = '[';
    for (let i = 0; i < value.length; i++) text += (i === 0 ? '' : ',') + write(present(value[i]));
    return `${text}]`;
  };

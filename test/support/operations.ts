import {
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';

/** An operation of one root field, with a value for every argument and every input field. */
export interface SchemaOperation {
  kind: 'query' | 'mutation' | 'subscription';
  /** Of its root field. */
  name: string;
  document: string;
  variables: Record<string, unknown>;
  /** Where in the variables there is a text that a client chooses: ["input", "tags", "0"]. */
  texts: string[][];
}

const SCALARS: Record<string, unknown> = {
  ID: '01900000-0000-7000-8000-000000000000',
  String: 'text',
  Int: 1,
  Float: 1,
  Boolean: false,
  DateTime: '2030-01-01T00:00:00Z',
  JSON: 'text',
};

/** Makes an operation of each root field, from the schema itself: a new field is in every test that uses them. */
export const operationsOf = (schema: GraphQLSchema): SchemaOperation[] =>
  (['query', 'mutation', 'subscription'] as const).flatMap((kind) => {
    const root = {
      query: schema.getQueryType(),
      mutation: schema.getMutationType(),
      subscription: schema.getSubscriptionType(),
    }[kind];
    if (!isObjectType(root)) throw new Error(`the schema has no ${kind}`);
    return Object.values(root.getFields()).map(({ name, args, type }) => {
      const texts: string[][] = [];
      const variables = Object.fromEntries(args.map((arg) => [arg.name, exampleOf(arg.type, [arg.name], texts)]));
      const declared = args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ');
      const passed = args.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
      const selection = isCompositeType(getNamedType(type)) ? ' { __typename }' : '';
      const field = `${name}${passed && `(${passed})`}${selection}`;
      return { kind, name, document: `${kind} Made${declared && `(${declared})`} { ${field} }`, variables, texts };
    });
  });

const exampleOf = (type: GraphQLInputType, path: string[], texts: string[][]): unknown => {
  if (isNonNullType(type)) return exampleOf(type.ofType, path, texts);
  if (isListType(type)) return [exampleOf(type.ofType, [...path, '0'], texts)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isInputObjectType(type))
    return Object.fromEntries(
      Object.values(type.getFields()).map((field) => [field.name, exampleOf(field.type, [...path, field.name], texts)]),
    );
  const value = SCALARS[type.name];
  if (value === undefined) throw new Error(`tests know no value for the scalar ${type.name}`);
  if (typeof value === 'string') texts.push(path);
  return value;
};

/** The same variables with another text at a place. */
export const withText = (variables: Record<string, unknown>, path: readonly string[], text: string) => {
  const copy = structuredClone(variables);
  // biome-ignore lint/suspicious/noExplicitAny: the path says what is there.
  let place: any = copy;
  for (const step of path.slice(0, -1)) place = place[step];
  place[path.at(-1) as string] = text;
  return copy;
};

import fc from 'fast-check';
import {
  buildSchema,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLScalarType,
  type GraphQLSchema,
  parse,
  validate,
} from 'graphql';
import { expect, test, vi } from 'vitest';
import { CompiledMutations } from '../../src/graphql/compiled-mutations.ts';
import type { Context } from '../../src/graphql/context.ts';

/** Has an input and an outcome of every kind. */
const SCHEMA = buildSchema(/* GraphQL */ `
  scalar Any
  scalar Even
  enum Kind { A B }
  input Input {
    text: String!
    count: Int = 7
    ratio: Float
    kind: Kind = B
    any: Any
    even: Even
    flags: [Boolean!]
    grid: [[Int]]
    nested: Input
    all: [Input!]
  }
  input One @oneOf { a: Int b: String }
  type Seen { args: String! path: String! again: Seen! kind: Kind strict: Int! maybe: Int slow: Int list: [Int!] }
  type Query { ok: Boolean }
  type Mutation {
    take(input: Input, note: String = "none", count: Int! = 3): Seen!
    takeAll(inputs: [Input!]!): Seen!
    takeOne(one: One): Seen
    outcome(is: Kind, of: String): Seen
    number(of: String!): Int
  }
`);

const OUTCOMES: Record<string, () => unknown> = {
  nothing: () => null,
  missing: () => undefined,
  error: () => new Error('returned'),
  thrown: () => {
    throw new Error('thrown');
  },
  rejected: async () => {
    throw new GraphQLError('rejected', { extensions: { code: 'NO' } });
  },
  strange: () => Promise.reject('not even an error'),
  late: async () => ({ args: 'late', strict: 1 }),
  wrong: () => ({ args: {}, kind: 'C', strict: null, maybe: 'x', list: [1, null] }),
  slow: () => ({ slow: Promise.resolve(5), maybe: () => 6, strict: 1 }),
  number: () => 5,
  text: () => 'five',
};

const takeArgs: GraphQLFieldResolver<unknown, unknown> = (_root, args, _context, info) => {
  const seen = {
    args: JSON.stringify({ args, variables: info.variableValues }),
    path: JSON.stringify([info.path, info.fieldName, info.fieldNodes.length, Object.keys(info.fragments)]),
    strict: 1,
  };
  return { ...seen, again: seen };
};

const completed = (schema: GraphQLSchema): GraphQLSchema => {
  const fields = schema.getMutationType()?.getFields() ?? {};
  for (const field of Object.values(fields)) field.resolve = takeArgs;
  for (const name of ['outcome', 'number'])
    (fields[name] as { resolve: unknown }).resolve = (_root: unknown, args: { of?: string }) =>
      OUTCOMES[args.of ?? 'nothing']?.();
  const even = schema.getType('Even') as GraphQLScalarType;
  even.parseValue = (value) => {
    if (typeof value !== 'number') throw new TypeError('no number');
    return value % 2 === 0 ? value / 2 : undefined;
  };
  return schema;
};
const schema = completed(SCHEMA);
const compiled = new CompiledMutations(schema);
const CONTEXT = {} as Context;

type Variables = Record<string, unknown>;

const executed = async (query: string, variableValues: Variables, operationName?: string): Promise<string> =>
  JSON.stringify(
    await execute({ schema, document: parse(query), variableValues, operationName, contextValue: CONTEXT }),
  );

/** @returns the answer, and who gave it */
const answered = async (query: string, variables: Variables, operationName?: string): Promise<[by: string, string]> => {
  const document = parse(query);
  const mutation = compiled.prepare(document, operationName, variables);
  if (!mutation) return ['execution', await executed(query, variables, operationName)];
  const answer = await mutation.run(CONTEXT);
  if (typeof answer === 'string') return ['compiled', answer];
  const { schema } = answer;
  const args = { schema, document, rootValue: answer, contextValue: CONTEXT, variableValues: variables, operationName };
  return ['resolved', JSON.stringify((await execute(args)) as ExecutionResult)];
};

const TAKE = 'mutation ($input: Input) { take(input: $input) { args } }';

test.each<[by: string, what: string, query: string, variables?: Variables, operationName?: string]>([
  ['compiled', 'no arguments', 'mutation { take { args path } }'],
  ['compiled', 'literals', 'mutation { take(input: { text: "a", all: [{ text: "b" }] }, note: null) { args } }'],
  ['compiled', 'a variable', TAKE, { input: { text: 'a', any: { b: [1] }, even: 4 } }],
  ['compiled', 'a variable that is not given', TAKE],
  ['compiled', 'null', TAKE, { input: null }],
  ['compiled', 'more than is asked for', TAKE, { input: null, other: 1 }],
  ['compiled', 'a single value for a list', TAKE, { input: { text: 'a', flags: true, grid: 1, all: { text: 'b' } } }],
  ['compiled', 'lists with null', TAKE, { input: { text: 'a', grid: [null, [null, 1]] } }],
  [
    'compiled',
    'variables inside of literals',
    'mutation ($t: String!, $n: Int, $x: String = "x") { take(input: { text: $t, count: $n, any: [$x] }, note: $x) { args } }',
    { t: 'a' },
  ],
  [
    'compiled',
    'defaults',
    'mutation ($input: Input = { text: "d" }, $n: Int = 2) { take(input: $input, count: $n) { args } }',
  ],
  ['compiled', 'null instead of a default', 'mutation ($n: String = "d") { take(note: $n) { args } }', { n: null }],
  ['compiled', 'a list of inputs', 'mutation ($i: [Input!]!) { takeAll(inputs: $i) { args } }', { i: [{ text: '' }] }],
  ['compiled', 'another name', 'mutation { t: take { a: args __typename } }'],
  ['compiled', 'names that objects have', 'mutation { __proto__: take { constructor: args __proto__: args } }'],
  ['compiled', 'a field twice', 'mutation { take { args } take { again { path } again { args } } }'],
  [
    'compiled',
    'fragments',
    'mutation { ...F ... on Mutation { take { path } } } fragment F on Mutation { take { ...G } } fragment G on Seen { args }',
  ],
  ['compiled', '@skip and @include', 'mutation { take { args @skip(if: false) path @include(if: false) } }'],
  ['compiled', 'one of two', 'mutation A { take { args } } mutation B { take(note: "b") { args } }', {}, 'B'],
  ['compiled', 'null as the outcome', 'mutation { outcome(of: "nothing") { args } }'],
  ['compiled', 'nothing as the outcome', 'mutation { outcome(of: "missing") { args } }'],
  ['compiled', 'a value that comes later', 'mutation { outcome(of: "late") { args strict kind } }'],
  ['compiled', 'a value without fields', 'mutation { number(of: "number") }'],
  ['resolved', 'a value of another type', 'mutation { n: number(of: "text") }'],
  ['resolved', 'an error that is returned', 'mutation { outcome(of: "error") { args } }'],
  ['resolved', 'an error that is thrown', 'mutation { x: outcome(of: "thrown") { args } }'],
  ['resolved', 'an error that comes later', 'mutation { outcome(of: "rejected") { args } }'],
  ['resolved', 'a rejection that is no error', 'mutation { number(of: "strange") }'],
  ['resolved', 'values that are not as their types say', 'mutation { outcome(of: "wrong") { args kind maybe list } }'],
  ['resolved', 'null where there is none', 'mutation { outcome(of: "wrong") { again { args } strict } }'],
  ['resolved', 'promises and methods', 'mutation { outcome(of: "slow") { slow maybe strict } }'],
  ['execution', 'two fields', 'mutation { a: take { args } b: take { args } }'],
  ['execution', 'a type name beside it', 'mutation { take { args } __typename }'],
  ['execution', 'a type name alone', 'mutation { __typename }'],
  ['execution', 'nothing', 'mutation { take @skip(if: true) { args } }'],
  [
    'execution',
    'directives with variables',
    'mutation ($b: Boolean!) { take { args path @skip(if: $b) } }',
    { b: true },
  ],
  ['execution', 'one of several keys', 'mutation ($o: One) { takeOne(one: $o) { args } }', { o: { a: 1 } }],
  ['execution', 'a variable of another type', TAKE, { input: 7 }],
  ['execution', 'a list for an object', TAKE, { input: [] }],
  ['execution', 'an unknown key', TAKE, { input: { text: 'a', other: 1 } }],
  ['execution', 'an unknown key that objects have', TAKE, JSON.parse('{"input": {"text": "a", "__proto__": 1}}')],
  ['execution', 'no value for a key that takes one', TAKE, { input: {} }],
  ['execution', 'null for a key that takes a value', TAKE, { input: { text: null } }],
  ['execution', 'an unknown value of an enum', TAKE, { input: { text: 'a', kind: 'C' } }],
  ['execution', 'a number that is too large', TAKE, { input: { text: 'a', count: 2 ** 31 } }],
  ['execution', 'what a scalar refuses', TAKE, { input: { text: 'a', even: 'x' } }],
  ['execution', 'what a scalar makes nothing of', TAKE, { input: { text: 'a', even: 3 } }],
  ['execution', 'null within a list of values', TAKE, { input: { text: 'a', flags: [true, null] } }],
  ['execution', 'no value for a variable that takes one', 'mutation ($i: [Input!]!) { takeAll(inputs: $i) { args } }'],
  [
    'execution',
    'null for an argument that has a default',
    'mutation ($n: Int) { take(count: $n) { args } }',
    { n: null },
  ],
])('%s answers as an execution does: %s', async (by, _what, query, variables = {}, operationName = undefined) => {
  expect(validate(schema, parse(query)).filter(({ message }) => !/used in position|conflict/.test(message))).toEqual(
    [],
  );
  expect(await answered(query, variables, operationName)).toEqual([
    by,
    await executed(query, variables, operationName),
  ]);
});

/** A value that is often right. */
const orJunk = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 20, arbitrary: right }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) });

const { input } = fc.letrec((tie) => ({
  input: fc
    .tuple(
      fc.record(
        {
          count: orJunk(fc.integer()),
          ratio: orJunk(fc.double({ noNaN: true, noDefaultInfinity: true })),
          kind: orJunk(fc.constantFrom('A', 'B')),
          any: fc.jsonValue(),
          even: orJunk(fc.nat().map((half) => half * 2)),
          flags: orJunk(fc.oneof(fc.boolean(), fc.array(fc.boolean()))),
          grid: orJunk(fc.array(fc.oneof(fc.constant(null), fc.integer(), fc.array(fc.integer())), { maxLength: 3 })),
          nested: fc.option(tie('input'), { maxDepth: 2 }),
          all: fc.array(tie('input'), { maxLength: 2, depthIdentifier: 'all' }),
        },
        { requiredKeys: [] },
      ),
      fc.record({ text: orJunk(fc.string()) }, { requiredKeys: ['text'] }),
      fc.oneof(
        { weight: 20, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.dictionary(fc.string(), fc.nat()) },
      ),
    )
    .map(([some, text, more]) => ({ ...some, ...text, ...more })),
}));

test('answers as an execution does, whatever the variables are', async () => {
  const counts: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(TAKE, 'mutation ($input: [Input!]!) { takeAll(inputs: $input) { args } }'),
      input,
      async (text, given) => {
        const variables = JSON.parse(JSON.stringify({ input: given })) as Variables;
        const [by, answer] = await answered(text, variables);
        counts[by] = (counts[by] ?? 0) + 1;
        expect(answer).toBe(await executed(text, variables));
      },
    ),
    { numRuns: 500 },
  );
  // Both ways were gone often: neither is right by never being asked.
  expect(counts.compiled).toBeGreaterThan(50);
  expect(counts.execution).toBeGreaterThan(50);
});

test('runs a resolver once, whatever its outcome is', async () => {
  const spy = vi.fn(OUTCOMES.thrown as () => unknown);
  OUTCOMES.counted = spy;
  const [by, answer] = await answered('mutation { outcome(of: "counted") { args } }', {});
  expect([by, spy.mock.calls.length]).toEqual(['resolved', 1]);
  expect(answer).toContain('"message":"thrown"');
});

test.each(['query { ok }', 'fragment F on Query { ok }', 'mutation A { take { args } }'])(
  'keeps nothing of %s, asked for by another name',
  (query) => {
    expect(compiled.has(parse(query), 'B')).toBe(false);
  },
);

test('knows a mutation again by its document', () => {
  const document = parse(TAKE);
  expect(compiled.has(document, undefined)).toBe(true);
  expect(compiled.prepare(document, undefined, {})).toBeDefined();
});

import fc from 'fast-check';
import { execute, type GraphQLObjectType, getNamedType, isObjectType, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { CompiledResults } from '../../src/graphql/compiled-results.ts';
import { schema } from '../../src/graphql/schema.ts';
import type { Change } from '../../src/realtime/change.ts';
import type { TaskSummary } from '../../src/tasks/find-tasks.ts';
import { TASK_STATUSES } from '../../src/tasks/task-state.ts';
import type { WatchedChange } from '../../src/tasks/watch-changes.ts';
import type { WatchedEvent } from '../../src/tasks/watch-tasks.ts';

/** Fields whose results depend on nothing but the value: a writer must know all of these. */
const PLAIN: Record<string, readonly string[]> = {
  Task: [
    ...['id', 'type', 'queue', 'payload', 'priority', 'status', 'attempt', 'maxAttempts', 'progress', 'progressDetail'],
    ...[
      'result',
      'error',
      'backoff',
      'timeoutMs',
      'cancelRequestedAt',
      'cancelReason',
      'workerId',
      'tags',
      'createdAt',
    ],
    ...['runAt', 'startedAt', 'finishedAt', '__typename'],
  ],
  TaskError: ['message', 'code', 'stack', '__typename'],
  Backoff: ['kind', 'delayMs', 'maxDelayMs', 'jitter', '__typename'],
  TaskEvent: ['taskId', 'seq', 'status', 'at', 'attempt', 'workerId', 'detail', '__typename'],
  TaskChange: ['cursor', 'event', 'task', '__typename'],
};
/** Those that read, or look at who asks. */
const OTHERS = [
  'events { seq }',
  'waitReason { __typename }',
  'dependents { id }',
  'flow { id }',
  'logs { edges { cursor } }',
];

const typeOf = (name: string) => schema.getType(name) as GraphQLObjectType;

interface Generated {
  selections: string;
  /** Fragments that it spreads. */
  fragments: string[];
}

let names = 0;
const directives = fc.constantFrom(
  '',
  '',
  '',
  '@skip(if: $yes)',
  '@skip(if: $no)',
  '@include(if: $yes)',
  '@include(if: $no)',
  '@include(if: true)',
  '@skip(if: false)',
);

/** One place in a selection: a field, with a name of its own or not, or a fragment. */
const nodeOf = (typeName: string, depth: number): fc.Arbitrary<Generated> => {
  const field = fc.constantFrom(...(PLAIN[typeName] ?? [])).chain((name) => {
    const type = name === '__typename' ? undefined : getNamedType(typeOf(typeName).getFields()[name]?.type);
    const below = isObjectType(type)
      ? selectionOf(type.name, depth - 1)
      : fc.constant<Generated>({ selections: '', fragments: [] });
    return fc
      .record({ below, alias: fc.constantFrom('', '', `x_${name}: `, '__proto__: '), directive: directives })
      .map(({ below, alias, directive }) => ({
        selections: `${alias === '__proto__: ' && name !== 'id' ? '' : alias}${name} ${directive} ${below.selections && `{ ${below.selections} }`}`,
        fragments: below.fragments,
      }));
  });
  if (depth <= 0) return field;
  const inline = fc
    .record({
      inner: selectionOf(typeName, depth - 1),
      condition: fc.constantFrom('', `on ${typeName}`),
      directive: directives,
    })
    .map(({ inner, condition, directive }) => ({
      selections: `... ${condition} ${directive} { ${inner.selections} }`,
      fragments: inner.fragments,
    }));
  const spread = fc
    .record({ inner: selectionOf(typeName, depth - 1), directive: directives, twice: fc.boolean() })
    .map(({ inner, directive, twice }) => {
      const name = `F${++names}`;
      return {
        selections: `...${name} ${directive} ${twice ? `...${name}` : ''}`,
        fragments: [...inner.fragments, `fragment ${name} on ${typeName} { ${inner.selections} }`],
      };
    });
  return fc.oneof({ weight: 5, arbitrary: field }, { weight: 1, arbitrary: inline }, { weight: 1, arbitrary: spread });
};

const selectionOf = (typeName: string, depth: number): fc.Arbitrary<Generated> =>
  fc.array(nodeOf(typeName, depth), { minLength: 1, maxLength: 6 }).map((nodes) => ({
    selections: nodes.map(({ selections }) => selections).join(' '),
    fragments: nodes.flatMap(({ fragments }) => fragments),
  }));

const text = fc.oneof(fc.string(), fc.constantFrom('ü€😀', '"\\\n\u0000\u2028', '\ud800'));
const date = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2200-01-01') });
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const status = fc.constantFrom(...TASK_STATUSES);

const task = fc.record({
  id: fc.uuid(),
  ownerId: fc.uuid(),
  type: text,
  queue: text,
  payload: fc.jsonValue(),
  priority: fc.constantFrom('HIGH', 'NORMAL', 'LOW'),
  status,
  seq: fc.nat(),
  attempt: fc.nat(),
  maxAttempts: fc.nat(),
  timeoutMs: orNull(fc.nat()),
  progress: orNull(fc.double({ noNaN: true, noDefaultInfinity: true })),
  progressDetail: fc.jsonValue(),
  result: fc.jsonValue(),
  error: fc.oneof(fc.jsonValue(), fc.record({ message: text, code: orNull(text) })),
  workerId: orNull(text),
  tags: fc.array(text),
  createdAt: date,
  submittedAt: date,
  runAt: orNull(date),
  startedAt: orNull(date),
  finishedAt: orNull(date),
  backoff: fc.constantFrom(null, 'F:100:3600000:0.500', 'E:100:5000:0.200'),
  cancelRequestedAt: orNull(date),
  cancelReason: fc.oneof(fc.jsonValue(), fc.record({ message: text })),
}) as fc.Arbitrary<TaskSummary>;

const event = fc.record({
  taskId: fc.uuid(),
  seq: fc.nat(),
  status,
  at: date,
  attempt: fc.nat(),
  workerId: orNull(text),
  detail: fc.jsonValue(),
}) as fc.Arbitrary<WatchedEvent>;

const change = fc.record({
  change: fc.record({
    ownerId: fc.uuid(),
    position: fc.nat(),
    taskId: fc.uuid(),
    seq: fc.nat(),
    status,
    attempt: fc.nat(),
    queue: text,
    type: text,
    workerId: text,
    atMs: fc.nat(),
    runAtMs: fc.constant(undefined),
    data: fc.constantFrom('', '{"message":"no"}'),
  }) as fc.Arbitrary<Change>,
  task,
}) as fc.Arbitrary<WatchedChange>;

const ROOTS = [
  { field: 'taskUpdated(id: "x")', type: 'Task', value: task },
  { field: 'taskEvents(id: "x", afterSeq: $seq)', type: 'TaskEvent', value: event },
  { field: 'taskChanges', type: 'TaskChange', value: change },
] as const;

const CONTEXT = { services: {}, principal: undefined };
const VARIABLES = { yes: true, no: false, seq: 3 };

const documentOf = (field: string, { selections, fragments }: Generated) => {
  const used = ['yes: Boolean!', 'no: Boolean = true', 'seq: Int'].filter((each) =>
    [field, selections, ...fragments].some((part) => part.includes(`$${each.split(':')[0]}`)),
  );
  const variables = used.length > 0 ? `(${used.map((each) => `$${each}`).join(', ')})` : '';
  return parse(`subscription ${variables} { root: ${field} { ${selections} } } ${fragments.join(' ')}`);
};

/** As the engine executes a subscription for one value. */
const executed = async (document: ReturnType<typeof parse>, rootValue: unknown): Promise<string> =>
  JSON.stringify(await execute({ schema, document, rootValue, contextValue: CONTEXT, variableValues: VARIABLES }));

const textOf = (document: ReturnType<typeof parse>, value: unknown): string | undefined =>
  new CompiledResults(schema).writerOf({ document, variableValues: VARIABLES })?.(value);

test.each(ROOTS)('writes of $field what executing it gives, whatever is selected', async ({ field, type, value }) => {
  await fc.assert(
    fc.asyncProperty(selectionOf(type, 3), value as fc.Arbitrary<unknown>, async (generated, given) => {
      const document = documentOf(field, generated);
      expect(validate(schema, document)).toEqual([]);
      const result = await executed(document, given);
      // What fails has an error, which is not for the writer to say.
      expect(textOf(document, given)).toBe(result.startsWith('{"errors"') ? undefined : result);
    }),
    { numRuns: 300 },
  );
});

const VALUE = fc.sample(task, { seed: 1, numRuns: 1 })[0] as TaskSummary;

test.each(OTHERS)('leaves to the execution what is not in the value alone: %s', (selection) => {
  const document = parse(`subscription { taskUpdated(id: "x") { id ${selection} } }`);
  expect(validate(schema, document)).toEqual([]);
  expect(textOf(document, VALUE)).toBeUndefined();
});

test.each([
  ['a payload that must be read', 'payload', { payload: undefined }],
  ['a result that must be read', 'result', { result: undefined, status: 'COMPLETED' }],
  ['null where there is none', 'type', { type: null }],
  ['what its type refuses', 'attempt', { attempt: 1.5 }],
  ['an unknown value of an enum', 'status', { status: 'LOST' }],
  ['no list', 'tags', { tags: 'a' }],
  ['a promise', 'id', { id: Promise.resolve('x') }],
  ['an error', 'payload', { payload: new Error('no') }],
  ['a method', 'id', { id: () => 'x' }],
])('leaves %s to the execution', (_what, selection, more) => {
  const document = parse(`subscription { taskUpdated(id: "x") { id ${selection} } }`);
  expect(textOf(document, VALUE)).toBeDefined();
  expect(textOf(document, { ...VALUE, ...more })).toBeUndefined();
});

test('keeps apart the outcomes of @skip and @include, and those of two operations', () => {
  const document = parse(
    'subscription A($a: Boolean!) { taskUpdated(id: "x") { attempt @skip(if: $a) seq: maxAttempts } } subscription B { taskUpdated(id: "x") { __typename } }',
  );
  const compiled = new CompiledResults(schema);
  const write = (operationName: string, a?: boolean) =>
    compiled.writerOf({ document, operationName, variableValues: { a } })?.({ ...VALUE, attempt: 1, maxAttempts: 3 });
  expect(write('A', true)).toBe('{"data":{"taskUpdated":{"seq":3}}}');
  expect(write('A', false)).toBe('{"data":{"taskUpdated":{"attempt":1,"seq":3}}}');
  expect(write('B')).toBe('{"data":{"taskUpdated":{"__typename":"Task"}}}');
  expect(write('A')).toBeUndefined();
});

test.each(['query { me { id } }', 'mutation { retryTask(id: "x") { id } }'])(
  'leaves other operations alone: %s',
  (query) => {
    expect(new CompiledResults(schema).writerOf({ document: parse(query) })?.({})).toBeUndefined();
  },
);

test('shares what it compiled', () => {
  const compiled = new CompiledResults(schema);
  const document = parse('subscription ($id: ID!) { taskUpdated(id: $id) { status } }');
  const writers = ['a', 'b'].map((id) => compiled.writerOf({ document, variableValues: { id } }));
  expect(writers[0]).toBeDefined();
  expect(writers[0]).toBe(writers[1]);
});

test('whose variables are wrong takes nothing from those who come after', () => {
  const compiled = new CompiledResults(schema);
  const document = parse('subscription ($id: ID!) { taskUpdated(id: $id) { id status } }');
  expect(compiled.writerOf({ document, operationName: undefined, variableValues: {} })).toBeUndefined();
  expect(compiled.writerOf({ document, operationName: undefined, variableValues: { id: '1' } })).toBeDefined();
});

import { GraphQLError, Kind, type ValueNode } from 'graphql';
import { builder } from './builder.ts';

/** With a date, a time and an offset: without an offset a time would mean something else on each machine. */
const ISO_8601 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})$/;

const parseTime = (value: unknown): Date => {
  const time = typeof value === 'string' && ISO_8601.test(value) ? new Date(value) : undefined;
  if (!time || Number.isNaN(time.getTime()))
    throw new GraphQLError('DateTime must be an ISO 8601 time with an offset, as "2030-01-31T12:00:00Z".');
  return time;
};

const parseJsonLiteral = (node: ValueNode, variables: Readonly<Record<string, unknown>>): unknown => {
  switch (node.kind) {
    case Kind.NULL:
      return null;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value;
    case Kind.LIST:
      return node.values.map((value) => parseJsonLiteral(value, variables));
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, parseJsonLiteral(value, variables)]));
    case Kind.VARIABLE:
      return variables[node.name.value];
  }
};

builder.scalarType('DateTime', {
  description: 'A time, as ISO 8601 in UTC: "2030-01-31T12:00:00.000Z". As an input it may have another offset.',
  serialize: (time) => time.toISOString(),
  parseValue: parseTime,
  parseLiteral: (node) => parseTime(node.kind === Kind.STRING ? node.value : undefined),
});

builder.scalarType('JSON', {
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => parseJsonLiteral(node, variables ?? {}),
});

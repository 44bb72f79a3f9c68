import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { printedSchema, schema } from '../../src/graphql/schema.ts';

const CONTRACT = buildSchema(readFileSync(new URL('./contract.graphql', import.meta.url), 'utf8'));

const input = ({ name, type, defaultValue }: GraphQLArgument | GraphQLInputField): string =>
  `${name}: ${type}${defaultValue === undefined ? '' : ` = ${JSON.stringify(defaultValue)}`}`;

/** Everything that a client can rely on, a line each. */
const shapeOf = (type: GraphQLNamedType): string[] => {
  if (isScalarType(type)) return [`scalar ${type.name}`];
  if (isEnumType(type)) return type.getValues().map(({ name }) => `${type.name}.${name}`);
  if (isInputObjectType(type)) return Object.values(type.getFields()).map((field) => `${type.name}.${input(field)}`);
  if (!isObjectType(type)) throw new Error(`no such kind of type in the contract: ${type.name}`);
  return Object.values(type.getFields()).map(({ name, args, type: of }) => {
    const list = args.map(input).sort();
    return `${type.name}.${name}${list.length > 0 ? `(${list.join(', ')})` : ''}: ${of}`;
  });
};

const shapes = (of: typeof schema): string[] =>
  Object.values(of.getTypeMap())
    .filter((type) => !type.name.startsWith('__') && !isSpecifiedScalarType(type))
    .flatMap(shapeOf);

describe('the schema', () => {
  test('is the one in schema.graphql (if not: node src/graphql/print-schema.ts)', () => {
    expect(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')).toBe(printedSchema());
  });

  test('keeps the contract', () => {
    const here = new Set(shapes(schema));
    const missing = shapes(CONTRACT).filter((shape) => !here.has(shape));
    expect(missing).toEqual([]);
  });

  test('describes every type, field, argument and input field', () => {
    const silent: string[] = [];
    const look = (path: string, { description }: { description?: string | null | undefined }): void => {
      if (!description) silent.push(path);
    };
    for (const type of Object.values(schema.getTypeMap())) {
      if (type.name.startsWith('__') || isSpecifiedScalarType(type)) continue;
      look(type.name, type);
      if (!isObjectType(type) && !isInputObjectType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        look(`${type.name}.${field.name}`, field);
        for (const arg of 'args' in field ? field.args : []) look(`${type.name}.${field.name}(${arg.name})`, arg);
      }
    }
    expect(silent).toEqual([]);
  });
});

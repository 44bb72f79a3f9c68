import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';
import { DEFAULT_PAGE, MAX_PAGE } from '../tasks/find-tasks.ts';

/** What a list without a page size counts as: events of a task, keys of a user. */
const USUAL_LENGTH = 10;

/** In the extensions of a list's field: how many it has at most, where that is more than usual and `first` does not say less. */
export interface ListExtensions {
  maxLength: number;
}

/** Refuses operations that could answer with more than so many values. */
export const maxCostRule =
  (max: number): ValidationRule =>
  (context) => ({
    OperationDefinition: (operation) => {
      const roots = {
        query: context.getSchema().getQueryType(),
        mutation: context.getSchema().getMutationType(),
        subscription: context.getSchema().getSubscriptionType(),
      };
      const cost = new Costs(context).ofSelections(operation.selectionSet, roots[operation.operation]?.name);
      if (cost <= max) return;
      const message = `The operation may answer with ${cost} values; at most ${max} are allowed. Ask for smaller pages or fewer fields.`;
      context.reportError(new GraphQLError(message, { nodes: operation }));
    },
  });

/**
 * Counts the values of an answer, at most: each field is one, and those in a list count for each of its places. A page counts
 * by its size; one that is a variable, as the largest.
 */
class Costs {
  readonly #context: ValidationContext;
  /** By fragment and page size; 0 while one is being counted, which ends circles. */
  readonly #fragments = new Map<string, number>();

  constructor(context: ValidationContext) {
    this.#context = context;
  }

  /** @param pageSize of the connection that these are the fields of */
  ofSelections({ selections }: SelectionSetNode, typeName: string | undefined, pageSize?: number): number {
    let cost = 0;
    for (const node of selections) {
      if (node.kind === Kind.FIELD) cost += this.#ofField(node, typeName, pageSize);
      else if (node.kind === Kind.INLINE_FRAGMENT)
        cost += this.ofSelections(node.selectionSet, node.typeCondition?.name.value ?? typeName, pageSize);
      else cost += this.#ofFragment(this.#context.getFragment(node.name.value), pageSize);
    }
    return cost;
  }

  #ofFragment(fragment: FragmentDefinitionNode | null | undefined, pageSize: number | undefined): number {
    if (!fragment) return 0;
    const key = `${fragment.name.value} ${pageSize}`;
    const known = this.#fragments.get(key);
    if (known !== undefined) return known;
    this.#fragments.set(key, 0);
    const cost = this.ofSelections(fragment.selectionSet, fragment.typeCondition.name.value, pageSize);
    this.#fragments.set(key, cost);
    return cost;
  }

  #ofField(node: FieldNode, parentName: string | undefined, pageSize: number | undefined): number {
    const field = this.#fieldOf(node.name.value, parentName);
    if (!field || !node.selectionSet) return 1;
    const type = getNamedType(field.type);
    if (!isCompositeType(type)) return 1;
    const size = pageSizeOf(node, field);
    if (!isListType(getNullableType(field.type))) return 1 + this.ofSelections(node.selectionSet, type.name, size);
    const length = isLongList(field) ? size : pageSize;
    return 1 + (length ?? USUAL_LENGTH) * this.ofSelections(node.selectionSet, type.name);
  }

  #fieldOf(name: string, parentName: string | undefined): GraphQLField<unknown, unknown> | undefined {
    const parent = parentName === undefined ? undefined : this.#context.getSchema().getType(parentName);
    return isObjectType(parent) ? parent.getFields()[name] : undefined;
  }
}

const isLongList = ({ extensions }: GraphQLField<unknown, unknown>): boolean => 'maxLength' in extensions;

/** @returns undefined for a field that is neither a connection nor a long list */
const pageSizeOf = (node: FieldNode, field: GraphQLField<unknown, unknown>): number | undefined => {
  if (!field.args.some(({ name }) => name === 'first')) return undefined;
  const given = node.arguments?.filter(({ name }) => name.value === 'first' || name.value === 'last') ?? [];
  const { maxLength: max = MAX_PAGE } = field.extensions as Partial<ListExtensions>;
  const sizes = given.map(({ value }) => (value.kind === Kind.INT ? Number(value.value) : max));
  return Math.min(Math.max(...sizes, 0) || (isLongList(field) ? max : DEFAULT_PAGE), max);
};

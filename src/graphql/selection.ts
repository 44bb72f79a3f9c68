import type { GraphQLResolveInfo, SelectionNode } from 'graphql';

/** Does the operation ask for this field of the object that is being resolved? Conditions (@skip, @include) count as yes. */
export const selects = ({ fieldNodes, fragments }: GraphQLResolveInfo, name: string): boolean => {
  const has = (nodes: readonly SelectionNode[] | undefined): boolean =>
    nodes?.some((node) => {
      if (node.kind === 'Field') return node.name.value === name;
      if (node.kind === 'InlineFragment') return has(node.selectionSet.selections);
      return has(fragments[node.name.value]?.selectionSet.selections);
    }) ?? false;
  return fieldNodes.some(({ selectionSet }) => has(selectionSet?.selections));
};

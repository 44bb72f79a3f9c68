import { type ReactNode, useId, useState } from 'react';
import { useQuery } from 'urql';
import { TextField } from '../ui/field.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { OwnersDocument } from './owner.generated.ts';

const SUGGESTED = 20;
/** As many as a page of users has, at most: whoever has the name is among those whose names have a part of it. */
const SEARCHED = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** For admins: a username, an email or an id, with users to choose from while they type. */
export const OwnerField = ({ owner }: { owner: string | undefined }) => {
  const listId = useId();
  const [search, setSearch] = useState(owner ?? '');
  const [{ data }] = useQuery({ query: OwnersDocument, variables: { search, first: SUGGESTED } });
  return (
    <>
      <TextField
        label="Owner"
        name="owner"
        defaultValue={owner}
        list={listId}
        placeholder="Everybody"
        autoComplete="off"
        spellCheck={false}
        onChange={({ currentTarget }) => setSearch(currentTarget.value.trim())}
      />
      <datalist id={listId}>
        {data?.users.edges.map(({ node: { id, username, email } }) => (
          <option key={id} value={username}>
            {email}
          </option>
        ))}
      </datalist>
    </>
  );
};

interface OwnerProps {
  /** As the filter has it; undefined: everybody. */
  owner: string | undefined;
  /** With the id; undefined for everybody. */
  children: (ownerId: string | undefined) => ReactNode;
}

/** Finds out which user is meant before it shows what is theirs. */
export const Owner = ({ owner, children }: OwnerProps) =>
  owner === undefined || UUID.test(owner) ? children(owner) : <Named name={owner}>{children}</Named>;

const Named = ({ name, children }: { name: string; children: OwnerProps['children'] }) => {
  const [{ data, error }, ask] = useQuery({
    query: OwnersDocument,
    variables: { search: name, first: SEARCHED },
    requestPolicy: 'network-only',
  });
  if (error) return <ErrorState error={error} onRetry={ask} />;
  if (!data) return <Loading />;
  const meant = data.users.edges.find(({ node }) => isNameOf(node, name.toLowerCase()));
  if (meant) return children(meant.node.id);
  return (
    <EmptyState icon="search" title={`There is no user “${name}”`}>
      “Owner” takes a whole username, a whole email, or an id.
    </EmptyState>
  );
};

const isNameOf = ({ username, email }: { username: string; email: string }, name: string): boolean =>
  username === name || email === name;

import { Link, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { guestClient } from '../live/guest-client.ts';
import { TextField } from '../ui/field.tsx';
import { LogInDocument } from './session.generated.ts';
import { lastEndReason } from './session.ts';
import { SessionForm } from './session-form.tsx';

const NOTICES = { 'logged-out': 'You are logged out.', ended: 'Your login has ended. Log in to go on.' } as const;

const ask = async ({ identifier = '', password = '' }: Record<string, string>) => {
  const { data, error } = await guestClient.mutation(LogInDocument, { input: { identifier, password } }).toPromise();
  return { session: data?.login, error };
};

export const LogInPage = () => {
  const search = useSearch({ from: '/guest' });
  const reason = lastEndReason();
  useEffect(() => {
    document.title = 'Log in · TaskFlow';
  }, []);
  return (
    <SessionForm
      title="Log in"
      notice={reason && NOTICES[reason]}
      action="Log in"
      ask={ask}
      foot={
        <>
          No account yet?{' '}
          <Link to="/sign-up" search={search}>
            Sign up
          </Link>
        </>
      }
    >
      {(errorOf) => (
        <>
          <TextField
            label="Email or username"
            name="identifier"
            autoComplete="username"
            autoCapitalize="none"
            required
            error={errorOf('identifier')}
          />
          <TextField
            label="Password"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            error={errorOf('password')}
          />
        </>
      )}
    </SessionForm>
  );
};

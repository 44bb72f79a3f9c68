import { Link, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { guestClient } from '../live/guest-client.ts';
import { TextField } from '../ui/field.tsx';
import { SignUpDocument } from './session.generated.ts';
import { SessionForm } from './session-form.tsx';

const ask = async ({ email = '', username = '', password = '' }: Record<string, string>) => {
  const { data, error } = await guestClient
    .mutation(SignUpDocument, { input: { email, username, password } })
    .toPromise();
  return { session: data?.signUp, error };
};

export const SignUpPage = () => {
  const search = useSearch({ from: '/guest' });
  useEffect(() => {
    document.title = 'Sign up · TaskFlow';
  }, []);
  return (
    <SessionForm
      title="Sign up"
      action="Sign up"
      ask={ask}
      foot={
        <>
          You have an account?{' '}
          <Link to="/login" search={search}>
            Log in
          </Link>
        </>
      }
    >
      {(errorOf) => (
        <>
          <TextField label="Email" name="email" type="email" autoComplete="email" required error={errorOf('email')} />
          <TextField
            label="Username"
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            required
            hint="3 to 32 letters, digits, “_”, “.” or “-”"
            error={errorOf('username')}
          />
          <TextField
            label="Password"
            name="password"
            type="password"
            autoComplete="new-password"
            required
            minLength={8}
            hint="At least 8 characters"
            error={errorOf('password')}
          />
        </>
      )}
    </SessionForm>
  );
};

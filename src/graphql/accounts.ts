import { login } from '../accounts/login.ts';
import { type Session, SignUpSchema, signUp } from '../accounts/sign-up.ts';
import { builder } from './builder.ts';
import { notAuthenticated, requirePrincipal } from './context.ts';

export const UserType = builder.prismaObject('User', {
  description: 'Somebody with an account.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    email: t.exposeString('email', { description: 'In lower case.' }),
    username: t.exposeString('username', { description: 'In lower case.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the account was made.' }),
  }),
});

const SessionType = builder.objectRef<Session>('Session').implement({
  description: 'A login.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'For the header "Authorization: Bearer <token>".' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Until when the token is valid.' }),
    user: t.field({ type: UserType, description: 'Whose login.', resolve: ({ user }) => user }),
  }),
});

const SignUpInput = builder
  .inputType('SignUpInput', {
    description: 'A new account.',
    fields: (t) => ({
      email: t.string({ required: true, description: 'Compared without case.' }),
      username: t.string({
        required: true,
        description: '3 to 32 letters, digits, "_", "." or "-"; compared without case.',
      }),
      password: t.string({ required: true, description: '8 to 200 characters.' }),
    }),
  })
  .validate(SignUpSchema);

const LoginInput = builder.inputType('LoginInput', {
  description: 'Who is logging in.',
  fields: (t) => ({
    identifier: t.string({ required: true, description: 'An email or a username.' }),
    password: t.string({ required: true, description: 'The password of the account.' }),
  }),
});

builder.queryField('me', (t) =>
  t.prismaField({
    type: UserType,
    description: 'Who is asking. UNAUTHENTICATED without credentials.',
    authScopes: { signedIn: true },
    resolve: async (query, _root, _args, context) => {
      const { userId } = requirePrincipal(context);
      const user = await context.services.database.user.findUnique({ ...query, where: { id: userId } });
      if (!user) throw notAuthenticated();
      return user;
    },
  }),
);

builder.mutationFields((t) => ({
  signUp: t.field({
    type: SessionType,
    description: 'Makes an account and logs it in.',
    args: { input: t.arg({ type: SignUpInput, required: true, description: 'The account.' }) },
    resolve: (_root, { input }, { services }) => signUp(services, input),
  }),
  login: t.field({
    type: SessionType,
    description: 'Gives a token for a password.',
    args: { input: t.arg({ type: LoginInput, required: true, description: 'Who is logging in.' }) },
    resolve: (_root, { input }, { services }) => login(services, input),
  }),
}));

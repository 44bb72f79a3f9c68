import { changePassword } from '../accounts/change-password.ts';
import { deleteAccount } from '../accounts/delete-account.ts';
import { login } from '../accounts/login.ts';
import type { Session } from '../accounts/open-session.ts';
import { renewSession } from '../accounts/renew-session.ts';
import { PasswordSchema, SignUpSchema, signUp } from '../accounts/sign-up.ts';
import { builder } from './builder.ts';
import { callerOf, notAuthenticated, requirePrincipal } from './context.ts';

const UserType = builder.prismaObject('User', {
  description: 'Somebody with an account.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    email: t.exposeString('email', { description: 'In lower case.' }),
    username: t.exposeString('username', { description: 'In lower case.' }),
    isAdmin: t.exposeBoolean('isAdmin', { description: "Sees and manages everybody's tasks, and all queues." }),
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
    resolve: (_root, { input }, { services, address, userAgent }) => signUp(services, input, { address, userAgent }),
  }),
  login: t.field({
    type: SessionType,
    description: 'Gives a token for a password. FORBIDDEN for the right one of a locked user.',
    args: { input: t.arg({ type: LoginInput, required: true, description: 'Who is logging in.' }) },
    resolve: (_root, { input }, { services, address, userAgent }) => login(services, input, { address, userAgent }),
  }),
  renewSession: t.field({
    type: SessionType,
    description:
      'A new token in time before the present one expires, without the password; for LOGIN_EXPIRE_DAYS (30) after it was given. The present one goes on to its end.',
    authScopes: { login: true },
    resolve: (_root, _args, context) => renewSession(context.services, callerOf(context)),
  }),
  changePassword: t.field({
    type: SessionType,
    description:
      'Changes the password, and ends all tokens from before: other logins and their watch tokens. API keys go on. BAD_USER_INPUT when the current password is wrong.',
    args: {
      current: t.arg.string({ required: true, description: 'The present password.' }),
      new: t.arg.string({ required: true, validate: PasswordSchema, description: '8 to 200 characters.' }),
    },
    authScopes: { login: true },
    resolve: (_root, args, context) => changePassword(context.services, callerOf(context), args.current, args.new),
  }),
  deleteAccount: t.boolean({
    description:
      'Deletes the account with its API keys, and ends all its tokens. Its tasks go on, and are dropped in their time. BAD_USER_INPUT when the password is wrong.',
    args: { password: t.arg.string({ required: true, description: 'The present password.' }) },
    authScopes: { login: true },
    resolve: async (_root, { password }, context) => {
      await deleteAccount(context.services, callerOf(context), password);
      return true;
    },
  }),
}));

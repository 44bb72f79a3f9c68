import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  notFound,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { readAdminSearch } from './admin/audit-filter.ts';
import { ApiProvider } from './live/api-provider.tsx';
import { currentSession, useSession } from './session/session.ts';
import { FailedPage, MissingPage } from './shell/fallback-pages.tsx';
import { Shell } from './shell/shell.tsx';
import { readFilter } from './tasks/task-filter.ts';

const root = createRootRoute({ component: Outlet, notFoundComponent: MissingPage });

/** Where to go after logging in; only to pages of this dashboard. */
const validateNext = ({ next }: Record<string, unknown>): { next?: string } =>
  typeof next === 'string' && /^\/(?![/\\])/.test(next) ? { next } : {};

/** Of which type, and which task is to be submitted again. */
const validateSubmit = ({ type, from }: Record<string, unknown>): { type?: string; from?: string } => ({
  ...(typeof type === 'string' && { type }),
  ...(typeof from === 'string' && { from }),
});

const guest = createRoute({
  getParentRoute: () => root,
  id: 'guest',
  validateSearch: validateNext,
  beforeLoad: ({ search }) => {
    if (currentSession()) throw redirect({ to: search.next ?? '/' });
  },
});

const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: ({ location }) => {
    if (!currentSession())
      throw redirect({ to: '/login', search: location.href === '/' ? {} : { next: location.href } });
  },
  component: SignedIn,
});

/** The router looks again whenever the session changes (main.tsx); until it has, the old page is not shown. */
function SignedIn() {
  const session = useSession();
  return (
    session && (
      <ApiProvider key={session.user.id}>
        <Shell />
      </ApiProvider>
    )
  );
}

const routes = root.addChildren([
  guest.addChildren([
    createRoute({
      getParentRoute: () => guest,
      path: '/login',
      component: lazyRouteComponent(() => import('./session/log-in-page.tsx'), 'LogInPage'),
    }),
    createRoute({
      getParentRoute: () => guest,
      path: '/sign-up',
      component: lazyRouteComponent(() => import('./session/sign-up-page.tsx'), 'SignUpPage'),
    }),
  ]),
  signedIn.addChildren([
    createRoute({
      getParentRoute: () => signedIn,
      path: '/',
      validateSearch: ({ everybody }: Record<string, unknown>): { everybody?: boolean } =>
        everybody === true ? { everybody } : {},
      component: lazyRouteComponent(() => import('./overview/overview-page.tsx'), 'OverviewPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/tasks',
      validateSearch: readFilter,
      component: lazyRouteComponent(() => import('./tasks/tasks-page.tsx'), 'TasksPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/tasks/$id',
      component: lazyRouteComponent(() => import('./task/task-page.tsx'), 'TaskPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/submit',
      validateSearch: validateSubmit,
      component: lazyRouteComponent(() => import('./submit/submit-page.tsx'), 'SubmitPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/workers',
      component: lazyRouteComponent(() => import('./workers/workers-page.tsx'), 'WorkersPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/keys',
      validateSearch: ({ all }: Record<string, unknown>): { all?: true } => (all === true ? { all } : {}),
      component: lazyRouteComponent(() => import('./keys/keys-page.tsx'), 'KeysPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/flows',
      component: lazyRouteComponent(() => import('./flows/flows-page.tsx'), 'FlowsPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/flows/$id',
      component: lazyRouteComponent(() => import('./flows/flow-page.tsx'), 'FlowPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/schedules',
      component: lazyRouteComponent(() => import('./schedules/schedules-page.tsx'), 'SchedulesPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/schedules/$id',
      component: lazyRouteComponent(() => import('./schedules/schedule-page.tsx'), 'SchedulePage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/admin',
      validateSearch: readAdminSearch,
      beforeLoad: () => {
        if (!currentSession()?.user.isAdmin) throw notFound();
      },
      component: lazyRouteComponent(() => import('./admin/audit-page.tsx'), 'AuditPage'),
    }),
    createRoute({
      getParentRoute: () => signedIn,
      path: '/account',
      component: lazyRouteComponent(() => import('./account/account-page.tsx'), 'AccountPage'),
    }),
  ]),
]);

export const router = createRouter({
  routeTree: routes,
  defaultPreload: 'intent',
  defaultErrorComponent: FailedPage,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

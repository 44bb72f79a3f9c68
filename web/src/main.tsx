import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { router } from './router.tsx';
import { currentSession, watchSession } from './session/session.ts';
import { startTheme } from './shell/theme.ts';
import './styles/tokens.css';
import './styles/base.css';

startTheme();

let userId = currentSession()?.user.id;
watchSession(() => {
  const next = currentSession()?.user.id;
  // A renewed token changes nothing on the page.
  if (next !== userId) void router.invalidate();
  userId = next;
});

// Whoever navigates by keyboard or listens lands on the new page's heading.
router.subscribe('onRendered', ({ pathChanged, fromLocation }) => {
  if (pathChanged && fromLocation) document.querySelector('h1')?.focus({ preventScroll: true });
});

const container = document.getElementById('root');
if (container) {
  createRoot(container).render(
    <StrictMode>
      <RouterProvider router={router} />
    </StrictMode>,
  );
}

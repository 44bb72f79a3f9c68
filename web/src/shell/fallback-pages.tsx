import type { ErrorComponentProps } from '@tanstack/react-router';
import { Link } from '@tanstack/react-router';
import { Button, buttonClass } from '../ui/button.tsx';
import { Page } from '../ui/page.tsx';
import { EmptyState } from '../ui/states.tsx';

/** For whatever the router does not know. */
export const MissingPage = () => (
  <main>
    <Page title="There is no such page">
      <EmptyState
        icon="search"
        title="Nothing is at this address"
        action={
          <Link to="/" className={buttonClass()}>
            To the overview
          </Link>
        }
      >
        It may have been mistyped, or the page moved.
      </EmptyState>
    </Page>
  </main>
);

/** A fault of the page itself, or a part of it that could not be loaded, as after an update of the api. */
export const FailedPage = ({ error }: ErrorComponentProps) => (
  <Page title="This page failed">
    <EmptyState
      icon="warning"
      title={error instanceof Error ? error.message : String(error)}
      action={
        <Button icon="retry" onClick={() => location.reload()}>
          Load it again
        </Button>
      }
    >
      The dashboard may have been updated meanwhile. If it fails again, this is a fault worth reporting.
    </EmptyState>
  </Page>
);

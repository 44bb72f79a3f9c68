import { guestClient, HTTP } from '../live/guest-client.ts';
import { LogOutDocument } from './session.generated.ts';
import { currentSession, endSession } from './session.ts';

/** Ends the login everywhere, so that copies of its token are worth nothing; here it ends whatever the API answers. */
export const logOut = (): void => {
  if (currentSession()) {
    // Of this moment: the token is forgotten below. It is sent also if the tab is closed meanwhile.
    const fetchOptions = { ...HTTP.fetchOptions(), keepalive: true };
    void guestClient.mutation(LogOutDocument, {}, { fetchOptions }).toPromise();
  }
  endSession('logged-out');
};

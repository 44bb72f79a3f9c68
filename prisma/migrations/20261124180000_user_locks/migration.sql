-- Locks of users, when they were last there, and their logins, each of which can be ended by itself.
--
-- Takes ACCESS EXCLUSIVE on "users" for a moment: columns without a default are added without rewriting the table. Processes
-- of the release before can run beside it. They do not look at locks, nor at which logins were ended: until the last of them
-- is replaced, the API keys of a locked user still work there. Tokens of a login from before have no row here, and go on
-- until they expire or are renewed.

ALTER TABLE "users"
  ADD COLUMN "locked_at" TIMESTAMPTZ(3),
  ADD COLUMN "last_seen_at" TIMESTAMPTZ(3);

CREATE TABLE "login_sessions" (
  "id" UUID NOT NULL,
  "user_id" UUID NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  "address" TEXT,
  "user_agent" TEXT,
  CONSTRAINT "login_sessions_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "login_sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX "login_sessions_user_id_idx" ON "login_sessions" ("user_id");

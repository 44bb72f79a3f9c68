-- Roles, tokens that end with a password, rates of API keys, and the audit log.
--
-- Takes ACCESS EXCLUSIVE on "users" and "api_keys" for a moment each: columns with a constant default are added without
-- rewriting the tables. Processes of the release before can run beside it. They do not look at token_version: until the last
-- of them is replaced, a token from before a change of password still works there.

ALTER TABLE "users"
  ADD COLUMN "is_admin" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "token_version" INTEGER NOT NULL DEFAULT 0;

ALTER TABLE "api_keys" ADD COLUMN "rate_limit_per_hour" INTEGER;

-- The first user of an installation is its admin.
UPDATE "users" SET "is_admin" = true WHERE "id" = (SELECT "id" FROM "users" ORDER BY "created_at", "id" LIMIT 1);

-- Without foreign keys: what somebody did is kept when their account is gone.
CREATE TABLE "audit_log" (
  "id" UUID NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "actor_id" UUID,
  "action" TEXT NOT NULL,
  "target" TEXT,
  "address" TEXT,
  "count" INTEGER NOT NULL DEFAULT 1,
  "detail" JSONB,
  CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "audit_log_actor_id_id_idx" ON "audit_log" ("actor_id", "id");

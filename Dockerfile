# One image for every process; SERVICE_TYPE chooses which: api, manager, worker, janitor or migrate.

FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV NODE_ENV=production

# All dependencies, to generate the Prisma client. No engine is needed for that, but Prisma looks for one and would download
# it: any existing file will do.
FROM base AS generate
COPY package.json package-lock.json ./
RUN npm ci --include=dev
COPY prisma prisma
RUN PRISMA_SCHEMA_ENGINE_BINARY=/bin/true npx prisma generate

FROM base AS dependencies
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

FROM base
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY prisma prisma
COPY src src
COPY workers workers
COPY --from=generate /app/src/database/generated src/database/generated
COPY bin/docker-entrypoint.sh /usr/local/bin/taskflow-entrypoint
USER node
EXPOSE 4000
# Not npm: it would not pass SIGTERM on.
ENTRYPOINT ["/usr/local/bin/taskflow-entrypoint"]

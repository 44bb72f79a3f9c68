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

# The dashboard, as bin/start.js builds it.
FROM base AS dashboard
WORKDIR /app/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --include=dev
COPY schema.graphql tsconfig.json /app/
COPY web ./
RUN npm run build

FROM base
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY prisma prisma
COPY src src
COPY workers workers
COPY --from=dashboard /app/web/dist web/dist
COPY --from=generate /app/src/database/generated src/database/generated
COPY bin/docker-entrypoint.sh /usr/local/bin/taskflow-entrypoint
USER node
EXPOSE 4000
# Not npm: it would not pass SIGTERM on.
ENTRYPOINT ["/usr/local/bin/taskflow-entrypoint"]

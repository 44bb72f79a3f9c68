# One image for every process; SERVICE_TYPE chooses which: api, manager, worker, janitor or migrate.

FROM node:24-bookworm-slim AS node

# Everything that development needs, to generate the Prisma client and to compile.
FROM node AS build
WORKDIR /build
# Prisma looks for an engine that it does not need, and would download it: any existing file will do.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/bin/true
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json tsconfig.types.json ./
COPY bin bin
COPY prisma prisma
COPY src src
COPY workers workers
RUN npm run build

# The dashboard, as bin/start.js builds it.
FROM node AS dashboard
WORKDIR /build/web
COPY web/package.json web/package-lock.json ./
RUN npm ci
COPY schema.graphql tsconfig.json /build/
COPY web ./
RUN npm run build

# What runs, without what it does not read: Prisma's compilers of queries for other databases (60 MB), types, source maps.
FROM node AS production
WORKDIR /app
COPY --from=build /build/dist/package.json /build/dist/package-lock.json /build/dist/.npmrc ./
RUN npm ci --omit=dev \
  && find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name 'query_compiler_*.postgresql.*' -delete \
  && find node_modules -type f '(' -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' ')' -delete
COPY --from=build /build/dist ./

# Debian with Node's binary alone: npm and what it brings is of no use here.
FROM debian:bookworm-slim
COPY --from=node /usr/local/bin/node /usr/local/bin/node
# /files is where a volume for FILES_DIR goes: Docker gives a new volume the owner that the folder has.
RUN useradd --uid 1000 --no-create-home --home-dir /tmp taskflow \
  && install --directory --owner=taskflow --group=taskflow /files \
  && ln --symbolic /app/src/cli.js /usr/local/bin/taskflow
WORKDIR /app
COPY --from=production /app ./
COPY --from=dashboard /build/web/dist web/dist
COPY bin/docker-entrypoint.sh /usr/local/bin/taskflow-entrypoint
COPY bin/docker-health.js /usr/local/bin/taskflow-health.js
# Node would keep compiled code in /tmp, of which a container that has just started has nothing yet.
ENV NODE_ENV=production NODE_DISABLE_COMPILE_CACHE=1
# By number, so that Kubernetes sees that it is not root.
USER 1000:1000
EXPOSE 4000
# Not npm: it would not pass SIGTERM on.
ENTRYPOINT ["/usr/local/bin/taskflow-entrypoint"]

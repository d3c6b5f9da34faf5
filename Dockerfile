# One image, one entry point per process: dist/operator.mjs, engine.mjs, worker.mjs, gateway.mjs, signalbox.mjs.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node tools/build.mjs

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /src/dist ./dist
COPY --from=build /src/package.json ./package.json
USER 65532:65532
CMD ["node", "dist/operator.mjs"]

# The full image has the compiler that better-sqlite3 needs where no prebuilt binary exists.
FROM node:24-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY src src
# Builds dist too. Only the build needs the compiler of TypeScript and the types.
RUN npm ci --omit=dev && rm -rf node_modules/typescript node_modules/@typescript node_modules/@types

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN install -d -o node -g node -m 700 data
USER node
VOLUME /app/data
# Without HTTP_PORT there is nothing to ask: a bot that Discord does not answer for minutes ends by itself.
HEALTHCHECK --start-period=30s CMD ["node", "-e", "const port = Number(process.env.HTTP_PORT); if (port > 0) fetch(`http://127.0.0.1:${port}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--enable-source-maps", "dist/cli/main.js"]
CMD ["start"]

/**
 * Four servers behind one port, with one cache:
 *
 *   npm install zbud pm2
 *   npx pm2 start ecosystem.config.mjs
 *   npx pm2 reload shop
 *
 * A reload replaces the processes one by one. Those that start find what the others rendered.
 */
const { PORT = "3000", CACHE_NAME = "shop" } = process.env;

export const apps = [
  {
    name: "shop",
    script: "server.mjs",
    exec_mode: "cluster",
    instances: 4,
    // Node says once in each process that node:ffi is new.
    node_args: ["--disable-warning=ExperimentalWarning"],
    env: { PORT, CACHE_NAME },
  },
];

// A page that keeps a large data set in compressed memory: `npm run example -- serve`, then open what it prints.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

const { output } = await build({
  input: fileURLToPath(new URL("page.js", import.meta.url)),
  platform: "browser",
  write: false,
  // The drivers register themselves; package.json says so of the built modules, here it may be the sources.
  treeshake: { moduleSideEffects: () => true },
  resolve: { alias: { "zbud/cache": fileURLToPath(import.meta.resolve("zbud/cache")) } },
  output: { format: "esm", minify: true, codeSplitting: false },
});
const script = output[0].code;
const page = readFileSync(new URL("index.html", import.meta.url), "utf8");

// With these two headers the page has SharedArrayBuffer, and could give the cache to its workers.
const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};
const server = createServer((request, response) => {
  const isScript = request.url?.endsWith("/page.js") === true;
  response.writeHead(200, { "content-type": isScript ? "text/javascript" : "text/html", ...isolation });
  response.end(isScript ? script : page);
}).listen(Number(process.env.PORT ?? 0), "127.0.0.1");
await once(server, "listening");
console.log(
  `http://127.0.0.1:${(server.address() as AddressInfo).port}/ (a script of ${script.length >> 10} KiB)`,
);

// Where nobody is to look at it, it ends.
if (!process.stdout.isTTY && process.env.PORT === undefined) server.close();

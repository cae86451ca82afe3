// Responses in a compressed cache: undici asks the server again only when they are too old.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, interceptors, request } from "undici";
import { CompressedCache } from "zbud/cache";
import { undiciStore } from "zbud/undici";

let asked = 0;
const server = createServer((_, response) => {
  asked++;
  response.setHeader("cache-control", "public, max-age=60");
  response.end(JSON.stringify(Array.from({ length: 1000 }, (_, id) => ({ id, name: `user ${id}` }))));
}).listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/users`;

const cache = new CompressedCache({ maxBytes: "16MiB" });
const dispatcher = new Agent().compose(interceptors.cache({ store: undiciStore(cache) }));
for (let i = 0; i < 3; i++) {
  const { body } = await request(url, { dispatcher });
  console.log(`${((await body.json()) as unknown[]).length} users, the server was asked ${asked} time`);
}
const { originalBytes, storedBytes } = cache.stats();
console.log(`kept in less than a third: ${storedBytes < originalBytes / 3}`);
await dispatcher.close();
server.close();
cache.close();

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, it } from "node:test";
import { ZbudPool } from "../../src/entry/index.ts";
import { decodeFrame, type Viewer, type ViewerAddress, viewer } from "../../src/viewer/index.ts";

/** A secret that must never be seen. */
const SECRET = "correct horse battery staple";

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** A request with any Host, as `fetch` would not send it. */
function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, path, headers, method: body === undefined ? "GET" : "POST" },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      },
    );
    asked.on("error", reject);
    asked.end(body);
  });
}

describe("a viewer's server", () => {
  const pool = new ZbudPool({ maxPages: 10 });
  let shown: Viewer;
  let address: ViewerAddress;

  before(async () => {
    const handle = pool.alloc(SECRET.length);
    assert.ok(typeof handle === "number");
    pool.write(handle, new TextEncoder().encode(SECRET));
    shown = viewer(pool);
    address = await shown.listen();
  });
  after(async () => {
    await shown.close();
    pool.close();
  });

  it("listens on loopback unless told otherwise", () => {
    assert.equal(address.host, "127.0.0.1");
    assert.equal(address.url, `http://127.0.0.1:${address.port}/`);
  });

  it("gives the page, counters, and the pages of the pool", async () => {
    const page = await ask(address.port, "/");
    assert.equal(page.status, 200);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
    assert.match(String(page.headers["content-security-policy"]), /frame-ancestors 'none'/);
    const stats = JSON.parse((await ask(address.port, "/stats")).body.toString());
    assert.equal(stats.tick.counters.pages, 1);
    const frame = decodeFrame(new Uint8Array((await ask(address.port, "/snapshot")).body).buffer);
    assert.deepEqual([...frame.sizes], [SECRET.length]);
  });

  it("nothing that it gives has stored bytes", async () => {
    for (const path of ["/", "/stats", "/snapshot"]) {
      const { body } = await ask(address.port, path);
      assert.ok(body.length > 0);
      for (const part of [SECRET, SECRET.slice(0, 7)]) assert.ok(!body.includes(part), path);
    }
  });

  for (const host of [
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "[::1",
  ]) {
    it(`a page of ${JSON.stringify(host)} whose name was turned to this address gets nothing`, async () => {
      for (const path of ["/", "/stats", "/snapshot", "/events"]) {
        const { status, body } = await ask(address.port, path, { host });
        assert.ok(status === 403 || status === 400, `${path}: ${status}`);
        assert.ok(!body.includes("counters"));
      }
    });
  }

  for (const host of ["localhost", "127.0.0.1:1", "[::1]:80", "192.168.1.2"]) {
    it(`${host} is fine`, async () => {
      assert.equal((await ask(address.port, "/stats", { host })).status, 200);
    });
  }

  it("no other origin may read: no answer has leave for one, and none can be framed or embedded", async () => {
    for (const path of ["/", "/stats", "/snapshot", "/nothing"]) {
      const { headers } = await ask(address.port, path, { origin: "http://evil.example" });
      assert.equal(headers["access-control-allow-origin"], undefined);
      assert.equal(headers["cross-origin-resource-policy"], "same-origin");
      assert.equal(headers["x-frame-options"], "DENY");
      assert.equal(headers["x-content-type-options"], "nosniff");
    }
  });

  it("what is not there is not there", async () => {
    for (const path of ["/nothing", "/../package.json", "//", "/control"]) {
      assert.equal((await ask(address.port, path)).status, 404, path);
    }
    const json = { "content-type": "application/json" };
    assert.equal((await ask(address.port, "/control", json, '{"do":"play"}')).status, 404);
  });

  it("listening twice, a taken port, bad options", async () => {
    await assert.rejects(shown.listen(), { code: "EBUSY" });
    const other = viewer(pool);
    await assert.rejects(other.listen({ port: address.port }), { code: "EBUSY" });
    await assert.rejects(other.listen({ port: 70_000 }), { code: "EINVAL" });
    await assert.rejects(other.listen({ host: "" }), { code: "EINVAL" });
    for (const bad of [null, 3, {}, { stats: 1 }]) {
      assert.throws(() => viewer(bad as never), { code: "EINVAL" });
    }
    await other.close();
  });

  it("a closed pool is said to be so, and the server lives", async () => {
    const gone = new ZbudPool({ maxPages: 1 });
    const watching = viewer(gone);
    const { port } = await watching.listen();
    gone.close();
    const { status, body } = await ask(port, "/stats");
    assert.equal(status, 503);
    assert.match(body.toString(), /closed/);
    await watching.close();
    await watching.close();
  });
});

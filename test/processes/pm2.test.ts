/** The servers of examples/pm2 under a real pm2, which reloads them while requests come. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, readdirSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { bin, ROOT, temporaryFolder } from "../../scripts/tools.ts";
import { removeShared } from "../../src/memory/index.ts";
import { installPackage } from "../adapters/next-app.ts";
import { until } from "../support/until.ts";

const PROCESSES = 4;
const PRODUCTS = 40;
const PATIENCE_MS = 60_000;

/** pm2 with a daemon and an app of its own, and nothing of this machine's. */
class Pm2 {
  readonly folder = temporaryFolder("pm2");
  readonly cache: string = join(this.folder, "cache");
  readonly #home: string = join(this.folder, "home");

  async install(): Promise<void> {
    cpSync(join(ROOT, "examples/pm2"), this.folder, { recursive: true });
    const nodeModules = join(this.folder, "node_modules");
    await installPackage(nodeModules);
    // For Node that has no node:ffi.
    symlinkSync(realpathSync(join(ROOT, "node_modules/koffi")), join(nodeModules, "koffi"), "dir");
    process.once("exit", () => this.#killDaemon());
  }

  /** A command of pm2, and what it said. */
  async run(...args: string[]): Promise<string> {
    const env = {
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
      HOME: this.folder,
      PM2_HOME: this.#home,
      // No banner, and no look for a newer pm2.
      PM2_DISCRETE_MODE: "true",
      PM2_DISABLE_VERSION_CHECK: "true",
      PORT: "0",
      CACHE_NAME: this.cache,
    };
    const options = { cwd: this.folder, env, timeout: PATIENCE_MS };
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [bin("pm2", "pm2"), ...args],
      options,
    );
    return stdout + stderr;
  }

  /** What the servers wrote, to standard output (`out`) or standard error. */
  logs(stream: "out" | "error"): string[] {
    const folder = join(this.#home, "logs");
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((name) => name.includes(`-${stream}-`));
    return names.map((name) => readFileSync(join(folder, name), "utf8"));
  }

  #killDaemon(): void {
    const file = join(this.#home, "pm2.pid");
    if (existsSync(file)) process.kill(Number(readFileSync(file, "utf8")), "SIGKILL");
  }
}

interface Answer {
  page: string;
  isRendered: boolean;
  process: string;
}

/** Each request has a connection of its own, so that pm2 gives it to the next process. */
async function ask(url: string): Promise<Answer> {
  const [response] = (await once(get(url, { agent: false }), "response")) as [IncomingMessage];
  const { headers, statusCode } = response;
  assert.equal(statusCode, 200);
  const page = await text(response);
  return { page, isRendered: headers["x-cache"] === "miss", process: String(headers["x-process"]) };
}

describe("pm2", () => {
  const pm2 = new Pm2();
  let url = "";

  before(async () => {
    await pm2.install();
    await pm2.run("start", "ecosystem.config.mjs");
    const serves = (): boolean => pm2.logs("out").filter((log) => log.includes("http")).length === PROCESSES;
    await until("all processes serve", serves, { patienceMs: PATIENCE_MS, everyMs: 20 });
    url = /http:\S+/.exec(pm2.logs("out")[0])?.[0] ?? "";
  });
  after(async () => void (await pm2.run("kill")));

  it("all processes have one cache, and those of a reload find it warm", async () => {
    const processes = new Set<string>();
    let rendered = 0;
    for (let i = 0; i < PRODUCTS * PROCESSES; i++) {
      const answer = await ask(`${url}/products/${i % PRODUCTS}`);
      assert.ok(answer.page.includes(`<h1>Product ${i % PRODUCTS}</h1>`));
      processes.add(answer.process);
      if (answer.isRendered) rendered++;
    }
    assert.equal(processes.size, PROCESSES);
    assert.equal(rendered, PRODUCTS, "what one rendered, the others found");

    let isOver = false;
    const reload = pm2.run("reload", "shop").finally(() => {
      isOver = true;
    });
    const later = new Set<string>();
    let count = 0;
    for (let rest = PRODUCTS; rest > 0; count++) {
      if (isOver) rest--;
      const path = `/products/${count % PRODUCTS}`;
      // pm2 loses a connection now and then at a reload, with a cache or without: who asks tries again, as a proxy does.
      const answer = await ask(url + path).catch(() => ask(url + path));
      assert.ok(!answer.isRendered, `${path} was rendered anew by process ${answer.process}`);
      if (isOver) later.add(answer.process);
    }
    await reload;
    assert.ok(count > PRODUCTS, "requests came meanwhile");
    assert.equal(later.size, PROCESSES);
    assert.deepEqual(
      [...later].filter((id) => processes.has(id)),
      [],
      "all were replaced",
    );
  });

  it("processes that pm2 stops give the cache back, and have complained of nothing", async () => {
    await pm2.run("stop", "shop");
    assert.deepEqual(
      pm2.logs("error").filter((log) => log !== ""),
      [],
    );
    // It would be refused if a process still had it.
    assert.equal(removeShared(pm2.cache), true);
  });
});

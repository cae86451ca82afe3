import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { temporaryFolder } from "../../scripts/tools.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { RedisCluster } from "../redis/cluster.ts";
import { RedisServer } from "../redis/server.ts";
import { ROOT, readTree } from "./sources.ts";

const FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--import",
  pathToFileURL(join(ROOT, "scripts/from-source.ts")).href,
];

const temporaryFiles = temporaryFolder("programs");

function runProgram(file: string, env: Record<string, string> = {}): string {
  const result = spawnSync(process.execPath, [...FLAGS, file], {
    cwd: ROOT,
    // What they leave in the folder of temporary files may be of another version of this library the next time.
    env: { ...process.env, TMPDIR: temporaryFiles, ...env },
    encoding: "utf8",
    timeout: 120_000,
  });
  assert.equal(result.status, 0, result.stderr);
  assert.equal(result.stderr, "");
  return result.stdout;
}

/** What examples need beside this process: variables that say where it is. */
const NEEDS: Readonly<Record<string, (t: TestContext) => Promise<Record<string, string>>>> = {
  "examples/machines/servers.ts": async (t) => {
    const cluster = await RedisCluster.start();
    t.after(() => cluster.stop());
    return { REDIS_NODES: cluster.urls.join() };
  },
};

/** What is checked of an example's output besides that there is some. */
const CHECKS: Readonly<Record<string, (output: string) => void>> = {
  "examples/cluster-rolling-restart.ts": (output) => {
    const [head, shared, apart] = output
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s{2,}/));
    const columns = ["before", "lowest meanwhile", "ratio", "requests", "rendered", "failed"];
    assert.deepEqual(head, columns);
    const figuresOf = ([, ...cells]: readonly string[]): Record<string, number> => {
      assert.equal(cells.length, columns.length, output);
      return Object.fromEntries(cells.map((cell, index) => [columns[index], Number(cell)]));
    };
    const { ratio, before, failed, requests } = figuresOf(shared);
    assert.ok(before > 0.9 && ratio >= 0.98 && failed === 0 && requests > 2000, output);
    const others = figuresOf(apart);
    // New workers with caches of their own render everything again.
    assert.ok(others.ratio < 0.95 && others.failed === 0, output);
  },
  "examples/machines/servers.ts": (output) => {
    const rows = output.trim().split("\n");
    assert.match(rows[4], /^1800 pages, 0 with a price that was too old$/);
    const [loads, told] = [3, 5].map((column) =>
      rows.slice(1, 4).reduce((sum, row) => sum + Number(row.trim().split(/\s+/)[column]), 0),
    );
    // Each product at most once after each of its changes, in all three together.
    assert.ok(loads >= 120 && loads < 400 && told > 100, output);
  },
};

describe("examples", () => {
  for (const file of readTree(["examples"], [".ts"]).keys()) {
    it(`${file} runs and says something`, async (t) => {
      const output = runProgram(join(ROOT, file), (await NEEDS[file]?.(t)) ?? {});
      assert.notEqual(output, "");
      CHECKS[file]?.(output);
    });
  }

  it("there is what is checked", () => {
    for (const file of [...Object.keys(CHECKS), ...Object.keys(NEEDS)])
      assert.ok(existsSync(join(ROOT, file)), file);
  });
});

/** A program in a Markdown file, and its output in the block right after it. */
const PROGRAM = /```ts\n(?<program>(?:(?!```).)*?)```\n+```(?:text|console)?\n(?<output>(?:(?!```).)*?)```/gs;

describe("programs of the documentation print what it says", () => {
  // In the project, so that programs find the packages that they name.
  mkdirSync(join(ROOT, "build"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, "build/programs-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const path of readTree(["README.md", "docs", "site"], [".md"]).keys()) {
    const text = readFileSync(join(ROOT, path), "utf8");
    let count = 0;
    for (const { groups } of text.matchAll(PROGRAM)) {
      if (groups === undefined || !/from "zbud/.test(groups.program)) continue;
      const file = join(folder, `${path.replaceAll("/", "-")}-${++count}.mts`);
      it(`${path}, program ${count}`, async () => {
        writeFileSync(file, groups.program);
        if (!groups.program.includes("REDIS_URL")) {
          assert.equal(runProgram(file).trim(), groups.output.trim());
          return;
        }
        const redis = await RedisServer.start();
        try {
          assert.equal(runProgram(file, { REDIS_URL: redis.url }).trim(), groups.output.trim());
        } finally {
          await redis.stop();
        }
      });
    }
  }
});

/** Commands in a block for a shell, one a line. */
const SHELL = /```sh\n(?<lines>(?:(?!```).)*?)```/gs;
/** What `scripts/start-page.ts` does step by step with the packed package, in `npm run test:package`. */
const WALKED = "site/start.md";

describe("every block of code on the site is run, or is a command that there is", () => {
  const examples = new Set(readTree(["examples"], [".mjs", ".js", ".ts"]).values());
  for (const [path, text] of readTree(["site"], [".md"])) {
    if (path.startsWith("site/build/")) continue;
    it(path, () => {
      const programs = [...text.matchAll(PROGRAM)].length;
      const blocks = [...text.matchAll(/```(?:ts|mts|javascript|typescript)\b/g)].length;
      assert.equal(programs, blocks, "each program is followed by what it prints");
      const languages = [...text.matchAll(/^```(\w+)/gm)].map(([, language]) => language);
      assert.deepEqual(
        languages.filter((language) => !["ts", "js", "text", "sh"].includes(language)),
        [],
      );
      if (path === WALKED) return;
      for (const [, file] of text.matchAll(/```js\n(.*?)```/gs))
        assert.ok(examples.has(file), `is no file of examples/, which the tests run:\n${file}`);
      for (const { groups } of text.matchAll(SHELL)) checkCommands(groups?.lines ?? "");
      checkPeers(text);
    });
  }
});

/**
 * Statements that put something somewhere and do not look what became of it: caches, stores and pools answer with what
 * they did, and a reader copies what stands there.
 */
const IGNORED =
  /^\s*(?:(?:for|while|if) \(.*\) )?(?:await )?[\w.#]*(?:cache|store|pool|dates|after|users)\.(?:set|setMany|setStream|store|storeAsync|loadSync|loadAsync|alloc|shrinkPages|shrinkBytes)\(.*$/gim;

describe("programs look at what they are answered", () => {
  for (const [path, text] of readTree(["examples"], [".ts", ".js", ".mjs"])) {
    it(path, () => assert.deepEqual(text.match(IGNORED) ?? [], []));
  }
  for (const [path, text] of readTree(["README.md", "docs", "site"], [".md"])) {
    const programs = [...text.matchAll(/```(?:ts|js)\n(.*?)```/gs)].map(([, program]) => program);
    if (programs.length > 0 && !path.startsWith("site/build/"))
      it(path, () => assert.deepEqual(programs.join("").match(IGNORED) ?? [], []));
  }
});

const INSTALL = /^npm install (?<name>(?:@[\w-]+\/)?[\w-]+)(?:@(?<major>\d+))?$/;

/** npm refuses a package beside another major version of its peer: then a page must say which one it installs. */
function checkPeers(text: string): void {
  const installed = new Map<string, string | undefined>();
  for (const line of text.split("\n")) {
    const { name, major } = INSTALL.exec(line)?.groups ?? {};
    if (name !== undefined) installed.set(name, major);
  }
  for (const name of installed.keys()) {
    const manifest = join(ROOT, "extras/node_modules", name, "package.json");
    const { peerDependencies = {} } = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")) : {};
    for (const [peer, range] of Object.entries<string>(peerDependencies)) {
      const [, major] = /^[~^](\d+)/.exec(range) ?? [];
      if (installed.has(peer) && major !== undefined)
        assert.equal(installed.get(peer), major, `${name} works with ${peer}@${major} only: install that`);
    }
  }
}

/** `npm install` of packages, and `npx zbud` with commands and options that its help knows. */
function checkCommands(lines: string): void {
  for (const line of lines.trim().split("\n")) {
    if (INSTALL.test(line)) continue;
    const [, name, rest] = /^npx zbud (\w+)(.*)$/.exec(line) ?? [];
    assert.ok(COMMANDS.includes(name), line);
    for (const [option] of rest.matchAll(/--\w+/g)) {
      assert.match(helpOf(name), new RegExp(`^ +(?:-\\w, )?${option}\\b`, "m"), line);
    }
  }
}

const helps = new Map<string, string>();

function helpOf(name: string): string {
  let help = helps.get(name);
  if (help === undefined) {
    const main = join(ROOT, "src/cli/main.ts");
    help = spawnSync(process.execPath, [FLAGS[0], main, name, "--help"], { encoding: "utf8" }).stdout;
    helps.set(name, help);
  }
  return help;
}

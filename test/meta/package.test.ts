import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { ROOT, readTree } from "./sources.ts";

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
  browser: Record<string, string>;
  scripts: Record<string, string>;
  sideEffects: boolean;
}

const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;

/** Folders with a lock file of their own. */
const FOLDERS = [".", "extras", "site"];

describe("package.json", () => {
  it("no dependencies: a user installs one package", () => {
    assert.deepEqual(Object.keys(MANIFEST.dependencies ?? {}), []);
  });

  it("development dependencies are exact versions", () => {
    const all = FOLDERS.flatMap((folder) => {
      const text = readFileSync(join(ROOT, folder, "package.json"), "utf8");
      return Object.entries((JSON.parse(text) as Manifest).devDependencies);
    });
    for (const [name, version] of all) {
      // Or another name for a package, so that two versions of it can be installed: npm:NAME@1.2.3
      assert.match(version, /^(?:npm:[\w@/-]+@)?\d+\.\d+\.\d+$/, name);
    }
  });

  it("the exports are the files of src/entry, each under its name", () => {
    const entries = [...readTree(["src/entry"], [".ts"]).keys()].map((file) => {
      const name = file.replace(/^src\/entry\/(.*)\.ts$/, "$1");
      const built = `./dist/entry/${name}`;
      const target = {
        require: { types: `${built}.d.cts`, default: `${built}.cjs` },
        types: `${built}.d.ts`,
        default: `${built}.js`,
      };
      return [name === "index" ? "." : `./${name}`, target];
    });
    const { "./package.json": _, ...exports } = MANIFEST.exports;
    assert.deepEqual(exports, Object.fromEntries(entries));
  });

  it("every module that browsers get another for, and that one, has its source, with the same names", async () => {
    for (const pair of Object.entries(MANIFEST.browser)) {
      const [node, other] = pair.map((built) => built.replace("./dist/", "src/").replace(/\.js$/, ".ts"));
      const names = async (file: string): Promise<string[]> =>
        Object.keys((await import(pathToFileURL(join(ROOT, file)).href)) as object);
      const there = await names(other);
      for (const name of await names(node)) assert.ok(there.includes(name), `${other} has no ${name}`);
      // It would get itself in its stead.
      const text = readFileSync(join(ROOT, other), "utf8");
      assert.ok(!text.includes(`import("./${basename(node)}")`), `${other} imports what it stands for`);
    }
  });

  it("no module has side effects, so that bundlers leave out what is not used", () => {
    assert.equal(MANIFEST.sideEffects, false);
    for (const [path, text] of readTree(["src"], [".ts"])) {
      // The command line is a bundle of our own.
      if (path.startsWith("src/cli/")) continue;
      assert.doesNotMatch(text, /^import "/m, `${path} imports a module for its effect`);
    }
  });

  for (const folder of FOLDERS)
    it(`the lock file of ${folder} has the optional packages of every platform`, () => {
      const { packages } = JSON.parse(readFileSync(join(ROOT, folder, "package-lock.json"), "utf8")) as {
        packages: Record<string, { version?: string; optionalDependencies?: Record<string, string> }>;
      };
      for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
        for (const name of Object.keys(optionalDependencies)) {
          // As Node looks: in the package's own folder, then in those around it.
          const parts = path.split("/node_modules/");
          const around = parts.map((_, depth) => parts.slice(0, depth + 1).join("/node_modules/"));
          const places = [
            ...around.map((folder) => `${folder}/node_modules/${name}`),
            `node_modules/${name}`,
          ];
          assert.ok(
            places.some((place) => packages[place]?.version !== undefined),
            `${name} of ${path} is missing: the registry did not have it`,
          );
        }
      }
    });

  it("every script's file exists", () => {
    for (const [name, command] of Object.entries(MANIFEST.scripts)) {
      const file = /\S+\.ts$/.exec(command)?.[0];
      if (file !== undefined) assert.ok(existsSync(join(ROOT, file)), `${name}: ${file}`);
    }
  });

  it("every command that the documentation names exists", () => {
    for (const [path, text] of readTree(["README.md", "CONTRIBUTING.md", "docs", "site"], [".md"])) {
      for (const [, name] of text.matchAll(/\bnpm run ([\w:-]+)/g)) {
        assert.ok(name in MANIFEST.scripts, `${path}: npm run ${name}`);
      }
    }
  });

  it("continuous integration runs the README's test command", () => {
    assert.match(readFileSync(join(ROOT, ".ci/run"), "utf8"), /^npm test$/m);
    assert.match(readFileSync(join(ROOT, "README.md"), "utf8"), /\bnpm test\b/);
    assert.ok((statSync(join(ROOT, ".ci/run")).mode & 0o111) !== 0, ".ci/run is executable");
  });
});

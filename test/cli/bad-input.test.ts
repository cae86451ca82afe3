import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { type CommandOptions, MAIN, run } from "./command.ts";

const folder = temporaryFolder("cli");
chmodSync(folder, 0o755);
const file = join(folder, "data");
writeFileSync(file, "something to estimate\n".repeat(1000));
const empty = join(folder, "empty");
writeFileSync(empty, "");
const hollow = join(folder, "hollow");
mkdirSync(hollow);
const notTrace = join(folder, "not-a-trace");
writeFileSync(
  notTrace,
  '{"trace":"zbud/1","interface":"zbud","pageSize":4096,"maxPages":4,"evict":false}\nnonsense\n',
);

/** Exactly one line on standard error, nothing on standard output, no stack. */
async function refused(args: string[], message: RegExp, options: CommandOptions = {}): Promise<void> {
  const { code, stdout, stderr } = await run(args, options);
  assert.equal(code, 2, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^zbud: [^\n]+\n$/);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, / at .*:\d+:\d+|\((?:EINVAL|ENOENT|EACCES|ENOTSUP|EBADMSG)\)/);
}

describe("bad input is one line that says what to do, and exit code 2", () => {
  const ROWS: [string, string[], RegExp, CommandOptions?][] = [
    ["no such path", ["estimate", join(folder, "none")], /no such file or folder: ".*none"/],
    ["an empty file", ["estimate", empty], /nothing to estimate in .*empty: only 1 empty file/],
    ["an empty folder", ["estimate", hollow], /nothing to estimate in .*hollow: it is empty/],
    ["empty standard input", ["estimate", "-"], /standard input gave no bytes/, { input: "" }],
    [
      "nothing named or piped",
      ["estimate"],
      /name files or folders, give --pid, --cgroup or --system, or pipe data in/,
    ],
    ["a device", ["estimate", "/dev/null"], /neither a file nor a folder: pipe its bytes in/],
    [
      "unknown codec",
      ["estimate", file, "--codec", "lz4,lzo"],
      /unknown codec "lzo": use none, lz4, zstd or deflate/,
    ],
    ["unknown driver", ["estimate", file, "--driver", "slab"], /unknown driver "slab": use .*zbud/],
    [
      "a unit that is no size",
      ["estimate", file, "--unit", "big"],
      /--unit takes a size such as .*not "big"/,
    ],
    [
      "a unit that is no power of two",
      ["estimate", file, "--unit", "4k,5k"],
      /power of two from 1k .* to 1m .*5120/,
    ],
    ["a unit too large", ["estimate", file, "--unit", "2m"], /power of two from 1k .* to 1m/],
    ["a sample that is no size", ["estimate", file, "--sample", "some"], /--sample takes a size/],
    ["a sample below a unit", ["estimate", file, "--sample", "1k"], /"all" or at least one unit/],
    ["a seed that is no number", ["estimate", file, "--seed", "x"], /--seed takes a whole number/],
    ["a pid that is no number", ["estimate", "--pid", "me"], /--pid takes a whole number/],
    ["no such process", ["estimate", "--pid", "4194303"], /no such process: 4194303/],
    [
      "standard input and a file",
      ["estimate", "-", file],
      /standard input\) is estimated alone/,
      { input: "x" },
    ],
    ["the demonstration and a file", ["estimate", "--demo", file], /--demo estimates its own data/],
    ["unknown option", ["estimate", file, "--jsn"], /unknown option '--jsn' \(Did you mean --json\?\)/],
    ["unknown option, no guess", ["estimate", file, "--zzzzz"], /unknown option '--zzzzz' \(--help tells/],
    ["an option without its value", ["estimate", "--pid"], /--pid/],
    ["unknown command", ["estimat", file], /unknown command "estimat": there are zbud estimate, zbud replay/],
    ["no trace named", ["replay"], /missing required argument 'file'/],
    ["no such trace", ["replay", join(folder, "none")], /none: there is no such file/],
    ["a trace with a bad line", ["replay", notTrace], /not-a-trace: line 2 /],
    ["no trace at all", ["replay", file], /data: line 1 /],
    ["a folder as a trace", ["replay", hollow], /hollow: it cannot be read/],
  ];
  for (const [name, args, message, options] of ROWS) {
    if (name === "no such process" && process.platform !== "linux") continue;
    it(name, () => refused(args, message, options));
  }

  it("not Linux", () => {
    const pretend = "data:text/javascript,Object.defineProperty(process,'platform',{value:'darwin'})";
    return refused(["estimate", "--pid", "1"], /needs Linux, and this is darwin: name files/, {
      flags: ["--import", pretend],
    });
  });
});

/** A user who may read nothing of ours: `nobody`, if we are root and this checkout can be read by others. */
function asNobody(): CommandOptions | null {
  if (process.getuid?.() !== 0) return {};
  const nobody = { uid: 65_534, gid: 65_534, cwd: folder };
  const probe = spawnSync(
    process.execPath,
    ["-e", `require("fs").accessSync(${JSON.stringify(MAIN)})`],
    nobody,
  );
  return probe.status === 0 ? nobody : null;
}

const user = asNobody();

describe("without permission", {
  skip: user === null ? "other users cannot read this checkout" : false,
}, () => {
  const options = user ?? {};
  const secret = join(folder, "secret");
  writeFileSync(secret, "x".repeat(5000));
  chmodSync(secret, 0);
  const vault = join(folder, "vault");
  mkdirSync(vault);
  chmodSync(vault, 0);
  after(() => chmodSync(vault, 0o755));

  it("an unreadable file", () =>
    refused(["estimate", secret], /no permission to read the file ".*secret"/, options));

  it("an unreadable folder", () =>
    refused(["estimate", vault], /no permission to read the folder ".*vault"/, options));

  it("unreadable ones inside a folder are counted, and the rest is used", async () => {
    const { code, stdout } = await run(["estimate", folder], options);
    assert.equal(code, 0);
    assert.match(stdout, /Left out: 2 that could not be read, .*1 empty file/);
  });

  it("the memory of somebody else's process", { skip: process.platform !== "linux" }, async () => {
    const pid = process.getuid?.() === 0 ? process.pid : 1;
    await refused(
      ["estimate", "--pid", `${pid}`],
      /no permission .* process \d+: it belongs to another user \(uid 0\); run as that user, or with sudo \(it needs CAP_SYS_PTRACE\)/,
      options,
    );
  });
});

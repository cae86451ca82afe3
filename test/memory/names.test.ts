/** Where a segment lies, and what may lie there. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { relative } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Segment, segmentFolder, segmentPath } from "../../src/memory/index.ts";
import { isCode } from "../support/is-code.ts";
import { SmallFileSystem } from "../support/small-file-system.ts";
import { SegmentProcess } from "./segment-process.ts";
import { openSegment, type SegmentOptions, SharedFolder } from "./segments.ts";

function open(name: unknown, options: Omit<SegmentOptions, "name"> = {}): boolean {
  const { segment, registry, member, isNew } = openSegment({ name, ...options });
  registry.leave(member);
  segment.close();
  return isNew;
}

const FOLDER_CHILD = fileURLToPath(new URL("./folder-child.ts", import.meta.url));
const FOREIGN = "a file of somebody else\n".repeat(1000);

describe("names of segments", () => {
  const GOOD = ["app", "A", "0", "a.b", "my-app_2", "a..b", "x".repeat(100), "app.draft-", "app.draft-xyz"];
  for (const name of GOOD) {
    it(`a bare name: ${name.slice(0, 20)}`, () => {
      assert.equal(segmentPath("shared", name), `${segmentFolder()}/${name}`);
      assert.match(segmentFolder(), new RegExp(`^/dev/shm/zbud-${process.getuid?.()}$`));
    });
  }

  const BAD = [
    ...[
      "",
      " ",
      ".",
      "..",
      ".app",
      "-app",
      "_app",
      "a b",
      "ä",
      "a\0",
      "a\n",
      "x".repeat(101),
      "a\\b",
      "a:b",
      "~",
    ],
    ...["/", "./", "../", "/dev/shm/", "/dev/shm/.", "/dev/shm/..", "a/", "/dev/shm/a\0b", "a/../.."],
    ...["app.draft-0123abcd", "/dev/shm/app.draft-00000000"],
    ...[1, null, undefined, {}, [], ["app"], true, Symbol("app"), () => "app"],
  ];
  for (const name of BAD) {
    it(`no name: ${typeof name === "string" ? JSON.stringify(name).slice(0, 30) : String(name)}`, () => {
      assert.throws(() => segmentPath("shared", name), isCode("EINVAL", "shared must be a name"));
    });
  }

  it("a path is taken as it is, from the folder in which the process is", () => {
    assert.equal(segmentPath("shared", "/dev/shm/app"), "/dev/shm/app");
    assert.equal(segmentPath("shared", "/dev/shm/a b/./../app"), "/dev/shm/app");
    assert.equal(segmentPath("shared", "./app"), `${process.cwd()}/app`);
    assert.equal(segmentPath("shared", "../.../a"), segmentPath("shared", `${process.cwd()}/../.../a`));
  });
});

describe("a segment's file", () => {
  const folder = new SharedFolder();
  after(() => folder[Symbol.dispose]());

  it("only its user reads and writes it", () => {
    const path = folder.file("modes");
    const mask = process.umask(0);
    try {
      assert.equal(open(path), true);
    } finally {
      process.umask(mask);
    }
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(open(path), false);
  });

  it("a relative path is the same file", () => {
    assert.equal(open(folder.file("relative")), true);
    assert.equal(open(relative(process.cwd(), folder.file("relative"))), false);
  });

  it("a link is not followed, wherever it points", () => {
    open(folder.file("target"));
    for (const target of [folder.file("target"), folder.file("nothing"), "/etc/passwd"]) {
      const link = folder.file("link");
      symlinkSync(target, link);
      assert.throws(() => open(link), isCode("EACCES", link, "links are not followed"));
      assert.throws(() => open(link, { whenDifferent: "replace" }), isCode("EACCES", link));
      assert.ok(lstatSync(link).isSymbolicLink(), "and it is left alone");
      rmSync(link);
    }
    assert.equal(existsSync(folder.file("nothing")), false);
  });

  it("a folder that is not there, a file as folder, a folder as file", () => {
    const missing = folder.file("missing/app");
    assert.throws(() => open(missing), isCode("ENOENT", missing, "its folder is not there"));
    open(folder.file("file"));
    assert.throws(() => open(folder.file("file/app")), isCode("ENOENT", "its folder is not there"));
    mkdirSync(folder.file("folder"));
    assert.throws(() => open(folder.file("folder")), isCode("EINVAL", "it is a folder"));
  });

  it("a file of another kind is left as it is", () => {
    const path = folder.file("foreign");
    for (const text of [FOREIGN, "x", "zbudshm", "zbudshm\r"]) {
      writeFileSync(path, text);
      assert.throws(() => open(path), isCode("EEXIST", path, "left as it is"));
      assert.throws(() => open(path, { whenDifferent: "replace" }), isCode("EEXIST", path));
      assert.equal(readFileSync(path, "utf8"), text);
    }
  });

  it("an empty file is room that somebody made for one", () => {
    const path = folder.file("empty");
    writeFileSync(path, "");
    assert.equal(open(path), true);
    assert.equal(open(path), false);
  });

  it("pipes and devices are left as they are", () => {
    const [pipe, device] = [folder.file("pipe"), folder.file("null")];
    assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
    assert.equal(spawnSync("mknod", [device, "c", "1", "3"]).status, 0);
    for (const path of [pipe, device]) {
      const { ino } = statSync(path);
      assert.throws(
        () => open(path, { whenDifferent: "replace" }),
        isCode("EEXIST", path, "another kind of file"),
      );
      assert.equal(statSync(path).ino, ino);
    }
  });

  it("a file of another user is not joined, and not replaced", () => {
    const path = folder.file("theirs");
    for (const make of [() => open(path), () => writeFileSync(path, "")]) {
      make();
      chownSync(path, 12345, 12345);
      assert.throws(() => open(path), isCode("EACCES", path, "user 12345"));
      assert.throws(() => open(path, { whenDifferent: "replace" }), isCode("EACCES"));
      assert.equal(statSync(path).uid, 12345);
      rmSync(path);
    }
  });

  it("a hard link is the same memory", () => {
    open(folder.file("one"));
    linkSync(folder.file("one"), folder.file("other"));
    assert.equal(open(folder.file("other")), false);
  });

  it("a name that is too long for the file system", () => {
    assert.throws(() => open(folder.file("x".repeat(250))), isCode("EIO", "ENAMETOOLONG"));
    assert.throws(() => open(folder.file("x".repeat(300))), isCode("EIO", "ENAMETOOLONG"));
  });

  it("a file system that is read-only", async () => {
    using mounted = new SmallFileSystem("size=8m");
    const path = `${mounted.folder}/app`;
    const other = await SegmentProcess.start();
    await other.open({ name: path });
    await other.kill();
    mounted.remount("ro");
    assert.throws(() => open(path), isCode("EACCES", path, "read-only"));
    assert.throws(() => open(`${mounted.folder}/other`), isCode("EACCES", "read-only"));
  });

  it("a file system that cannot set room aside", () => {
    using mounted = new SmallFileSystem("mode=0700", "ramfs");
    const path = `${mounted.folder}/app`;
    assert.throws(() => open(path), isCode("ENOTSUP", path, "fallocate"));
    assert.deepEqual(existsSync(path), false);
  });

  it("what another kind of user left under the name of a draft stays, and is in nobody's way", () => {
    mkdirSync(folder.file("kept.draft-0123abcd"));
    writeFileSync(folder.file("kept.draft-notes"), FOREIGN);
    writeFileSync(folder.file("kept.draft-89abcdef"), "left by a process that was killed");
    writeFileSync(folder.file("keep.draft-89abcdef"), "of another segment");
    assert.equal(open(folder.file("kept")), true);
    assert.equal(existsSync(folder.file("kept.draft-0123abcd")), true);
    assert.equal(existsSync(folder.file("kept.draft-notes")), true);
    assert.equal(existsSync(folder.file("kept.draft-89abcdef")), false);
    assert.equal(existsSync(folder.file("keep.draft-89abcdef")), true);
  });

  it("another kind of content, and other options", () => {
    const path = folder.file("options");
    const agreement = { maxBytes: 1, codec: "lz4", ttl: null };
    open(path, { agreement });
    assert.equal(open(path, { agreement: { ...agreement } }), false);
    assert.throws(
      () => open(path, { agreement, kind: "pool" }),
      isCode("EEXIST", path, "a test", "not a pool"),
    );
    const other = { maxBytes: 2, codec: "lz4", ttl: null, tags: true };
    const said = isCode(
      "EINVAL",
      path,
      "maxBytes is 1 there and 2 here",
      "tags is undefined there and true here",
    );
    assert.throws(() => open(path, { agreement: other }), said);
    assert.equal(open(path, { agreement }), false, "what is there stays");
    assert.equal(open(path, { agreement: other, whenDifferent: "replace" }), true);
    assert.equal(open(path, { agreement: other }), false);
    assert.equal(open(path, { agreement: other, kind: "pool", whenDifferent: "replace" }), true);
    assert.equal(Segment.look(path) instanceof Object, true);
  });
});

describe("the folder for bare names", () => {
  it("is made for its user alone, and refused if it is anything else", () => {
    const result = spawnSync(
      "unshare",
      [
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs tmpfs /dev/shm && exec "$@"',
        "sh",
        process.execPath,
        "--disable-warning=ExperimentalWarning",
        FOLDER_CHILD,
      ],
      { encoding: "utf8" },
    );
    assert.equal(
      result.status,
      0,
      `this test needs root and leave to unshare mounts (CAP_SYS_ADMIN): ${result.stderr}`,
    );
    assert.match(result.stdout, /all is well/);
  });
});

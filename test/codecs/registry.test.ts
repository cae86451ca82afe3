import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { type Codec, codecById, codecNames, getCodec, registerCodec } from "../../src/codecs/index.ts";
import { isCode } from "../support/is-code.ts";

const none = getCodec("none");

/** A codec that copies, under another name. */
function renamed(name: string, id: number): Codec {
  return {
    name,
    id,
    maxCompressedLength: (n) => none.maxCompressedLength(n),
    compress: (source, target) => none.compress(source, target),
    decompress: (source, target) => none.decompress(source, target),
  };
}

describe("codec registry", () => {
  it("finds each of ours by name and by id", () => {
    assert.deepEqual(codecNames(), ["none", "lz4", "zstd", "deflate"]);
    for (const [name, id] of [
      ["none", 1],
      ["lz4", 2],
      ["zstd", 3],
      ["deflate", 4],
    ] satisfies [string, number][]) {
      assert.equal(getCodec(name).name, name);
      assert.equal(getCodec(name).id, id);
      assert.equal(codecById(id), getCodec(name));
    }
  });

  it("names the known ones for an unknown one", () => {
    assert.throws(() => getCodec("lzo"), {
      code: "ENOENT",
      message: 'no codec is named "lzo"; known are none, lz4, zstd, deflate (ENOENT)',
    });
    assert.throws(() => codecById(99), { code: "ENOENT", message: /id 99; .*1 \(none\), 2 \(lz4\)/ });
    assert.throws(() => getCodec(7 as unknown as string), isCode("ENOENT"));
  });

  it("takes a user's codec, once", () => {
    const codec = renamed("copy", 128);
    registerCodec(codec);
    assert.equal(getCodec("copy"), codec);
    assert.equal(codecById(128), codec);
    assert.ok(codecNames().includes("copy"));
    assert.throws(() => registerCodec(codec), isCode("EEXIST"));
    assert.throws(() => registerCodec(renamed("copy", 129)), isCode("EEXIST"));
    assert.throws(() => registerCodec(renamed("copy2", 128)), isCode("EEXIST"));
    assert.throws(() => registerCodec(renamed("lz4", 130)), isCode("EEXIST"));
    assert.throws(() => registerCodec(renamed("lz5", 2)), isCode("EEXIST"));
  });

  it("refuses a malformed codec and a reserved id", () => {
    for (const id of [0, -1, 256, 1.5, Number.NaN, 5, 127]) {
      assert.throws(() => registerCodec(renamed("mine", id)), isCode("EINVAL"), `id ${id}`);
    }
    assert.throws(() => registerCodec(renamed("", 200)), isCode("EINVAL"));
    assert.throws(() => registerCodec(null as unknown as Codec), isCode("EINVAL"));
    for (const member of ["name", "id", "maxCompressedLength", "compress", "decompress"]) {
      const codec = { ...renamed("mine", 200), [member]: undefined } as unknown as Codec;
      assert.throws(() => registerCodec(codec), isCode("EINVAL"), member);
    }
    assert.ok(!codecNames().includes("mine"));
  });
});

describe("without Node's modules, as in a browser", () => {
  it("importing works, lz4 works, deflate and zstd say what is missing", () => {
    const index = new URL("../../src/codecs/index.ts", import.meta.url).href;
    const program = `
      delete process.getBuiltinModule;
      Object.defineProperty(process, "getBuiltinModule", { value: undefined });
      const { codecById, getCodec, createZstd } = await import(${JSON.stringify(index)});
      const source = new Uint8Array(1000).fill(7), target = new Uint8Array(1000);
      const size = getCodec("lz4").compress(source, target);
      const answers = [getCodec("lz4").decompress(target.slice(0, size), source)];
      for (const name of ["deflate", "zstd"]) {
        try { answers.push(getCodec(name).name); } catch (error) { answers.push(error.code); }
      }
      for (const codec of [codecById(3), codecById(4), createZstd({ level: 5 })]) {
        for (const method of ["compress", "decompress"]) {
          try { answers.push(codec[method](source, target)); } catch (error) { answers.push(error.code); }
        }
      }
      console.log(JSON.stringify(answers));`;
    const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
    const answers = JSON.parse(execFileSync(process.execPath, flags, { encoding: "utf8" }));
    assert.deepEqual(answers, [1000, ...new Array(8).fill("ENOTSUP")]);
  });
});

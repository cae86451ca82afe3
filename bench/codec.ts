import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../scripts/tools.ts";
import { type Codec, createLz4, createZstd, getCodec, trainDictionary } from "../src/codecs/index.ts";
import { realData } from "./codec-data.ts";
import { lz4Peers, ours, type Peer, zstdPeers } from "./codec-peers.ts";
import {
  type BenchOptions,
  type Contender,
  compileC,
  type RoundResult,
  type Row,
  race,
  runC,
  timeRows,
} from "./harness.ts";
import { jsonRecords } from "./records.ts";

const SUITE = "codec";
const UNITS = [4096, 16_384, 65_536];
/** Passes over the data in one round of a contender, after one untimed; the fastest counts. */
const PASSES = 3;

type Direction = "compress" | "decompress";

/** The C program over the data of one kind; null where it does not compile. */
interface Native {
  program: string;
  file: string;
}

/**
 * Our lz4 and zstd against the C libraries and packages: time of one unit, and compressed size. Copies into
 * and out of the codec are part of the time.
 */
export async function run({ quick, seed, log }: BenchOptions): Promise<Row[]> {
  const folder = temporaryFolder("bench-codec");
  const program = compileC(join(import.meta.dirname, "native/codec.c"), ["-llz4", "-lzstd"], log);
  const rows: Row[] = [];
  for (const [kind, data] of await realData(quick ? 65_536 : 2 ** 21, log)) {
    const file = join(folder, kind.replace(" ", "-"));
    writeFileSync(file, data);
    const native = program === null ? null : { program, file };
    for (const unit of quick ? UNITS.slice(0, 1) : UNITS) {
      const sources: Buffer[] = [];
      for (let at = 0; at + unit <= data.length; at += unit) sources.push(data.subarray(at, at + unit));
      const name = `${kind}, ${unit / 1024} KiB`;
      log(name);
      const rounds = quick ? 1 : 7;
      for (const [codec, peers] of [
        ["lz4", [ours(getCodec("lz4"), unit), ...lz4Peers()]],
        ["zstd", [ours(createZstd(), unit), ...zstdPeers()]],
      ] satisfies [string, Peer[]][]) {
        for (const direction of ["compress", "decompress"] satisfies Direction[]) {
          const contenders = peers.map((peer) => contender(peer, direction, sources));
          if (native) contenders.splice(1, 0, nativeContender(native, codec, direction, unit));
          const timings = race(contenders, { operations: sources.length, rounds, warmups: 1, seed });
          rows.push(...timeRows(SUITE, `${codec} ${direction}, ${name}`, timings));
        }
        rows.push(...sizeRows(`${codec} size, ${name}`, peers, sources, native, codec, unit));
      }
    }
  }
  rows.push(...dictionaryRows(quick, seed));
  return rows;
}

/** One peer over all sources. Blocks to decompress are made, and checked, before the clock starts. */
function contender(peer: Peer, direction: Direction, sources: readonly Buffer[]): Contender {
  const unit = sources[0].length;
  const blocks = sources.map((source) => peer.compress(source, true));
  sources.forEach((source, i) => {
    const back = peer.decompress(blocks[i], unit);
    if (Buffer.compare(source, back.subarray(0, unit)) !== 0) throw new Error(`${peer.name} is wrong`);
  });
  const pass =
    direction === "compress" ? () => compressAll(peer, sources) : () => decompressAll(peer, blocks, unit);
  return { name: peer.name, round: () => fastest(pass) };
}

function fastest(pass: () => number): RoundResult {
  let ns = Number.POSITIVE_INFINITY;
  let checksum = pass();
  for (let i = 0; i < PASSES; i++) {
    const start = process.hrtime.bigint();
    checksum = pass();
    ns = Math.min(ns, Number(process.hrtime.bigint() - start));
  }
  return { checksum, ns };
}

function compressAll(peer: Peer, sources: readonly Buffer[]): number {
  let units = 0;
  for (const source of sources) units += peer.compress(source, false).length > 0 ? 1 : 0;
  return units;
}

/** The checksum that native/codec.c computes too: of three bytes of each unit. */
function decompressAll(peer: Peer, blocks: readonly Uint8Array[], unit: number): number {
  let checksum = 0;
  for (const block of blocks) {
    const bytes = peer.decompress(block, unit);
    const mixed = bytes[0] ^ (bytes[unit >> 1] << 8) ^ (bytes[unit - 1] << 16);
    checksum = Math.imul(checksum ^ mixed, 0x01000193);
  }
  return checksum >>> 0;
}

function nativeContender(native: Native, codec: string, direction: Direction, unit: number): Contender {
  const args = [native.file, codec, direction, unit, PASSES];
  return { name: libraryName(codec), round: () => runC(native.program, args) };
}

function libraryName(codec: string): string {
  return codec === "lz4" ? "liblz4 in C" : "libzstd in C";
}

/** Compressed bytes of one unit on average. */
function sizeRows(
  name: string,
  [own, ...peers]: readonly Peer[],
  sources: readonly Buffer[],
  native: Native | null,
  codec: string,
  unit: number,
): Row[] {
  const mean = (peer: Peer): number =>
    sources.reduce((sum, source) => sum + peer.size(source), 0) / sources.length;
  const sizes = peers.map((peer): [string, number] => [peer.name, mean(peer)]);
  if (native) {
    const total = Number(runC(native.program, [native.file, codec, "size", unit, 1]).checksum);
    sizes.unshift([libraryName(codec), total / sources.length]);
  }
  return sizes.map(([peer, theirs]) => row(name, mean(own), peer, theirs, "bytes"));
}

/** What a dictionary gains on JSON records that it was not trained on. */
function dictionaryRows(quick: boolean, seed: number): Row[] {
  const records = jsonRecords(200, 1500).map((record) => Buffer.from(record));
  const samples = records.filter((_, i) => i % 10 === 0);
  const others = records.filter((_, i) => i % 10 === 5).slice(0, quick ? 100 : Number.POSITIVE_INFINITY);
  const rows: Row[] = [];
  for (const bytes of quick ? [4096] : [4096, 16_384, 65_536]) {
    const dictionary = trainDictionary(samples, bytes);
    for (const [codecName, codec, plain] of [
      ["lz4", createLz4({ dictionary }), createLz4()],
      ["zstd 1", createZstd({ dictionary }), createZstd()],
      ["zstd 9", createZstd({ dictionary, level: 9 }), createZstd({ level: 9 })],
    ] satisfies [string, Codec, Codec][]) {
      const title = `${codecName}, dictionary of ${bytes / 1024} KiB, JSON record of 200-1500 B`;
      const peers = [ours(codec, 1500), { ...ours(plain, 1500), name: "no dictionary" }];
      const [withIt, without] = peers.map((peer) => others.reduce((sum, each) => sum + peer.size(each), 0));
      const mean = others.length;
      rows.push(row(`size, ${title}`, withIt / mean, "no dictionary", without / mean, "bytes"));
      for (const direction of ["compress", "decompress"] satisfies Direction[]) {
        const contenders = peers.map((peer) => recordContender(peer, direction, others));
        const timings = race(contenders, { operations: mean, rounds: quick ? 1 : 5, seed });
        rows.push(...timeRows(SUITE, `${direction}, ${title}`, timings));
      }
    }
  }
  return rows;
}

function recordContender(peer: Peer, direction: Direction, records: readonly Buffer[]): Contender {
  const blocks = records.map((record) => peer.compress(record, true));
  const round = (): RoundResult => {
    if (direction === "compress") return compressAll(peer, records);
    let bytes = 0;
    for (let i = 0; i < blocks.length; i++) bytes += peer.decompress(blocks[i], records[i].length)[0];
    return bytes;
  };
  return { name: peer.name, round };
}

function row(name: string, own: number, peer: string, theirs: number, unit: string): Row {
  return { suite: SUITE, case: name, ours: own, peer, theirs, unit, ratio: own / theirs };
}

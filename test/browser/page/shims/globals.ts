/** What the tests use of Node's globals, for browsers. Sources do not get it. */

/** A part of what Node runs: the operations are the same ones. */
export const process: { env: Record<string, string | undefined> } = {
  env: { ZBUD_PROPERTY_OPERATIONS: "30000", ZBUD_FAST_CHECK_RUNS: "100" },
};

class TestBuffer extends Uint8Array {
  static alloc(length: number): TestBuffer {
    return new TestBuffer(length);
  }

  static compare(a: Uint8Array, b: Uint8Array): number {
    const length = Math.min(a.length, b.length);
    for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }

  override toString(encoding: "utf8" | "hex" = "utf8"): string {
    if (encoding === "hex") return [...this].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return new TextDecoder().decode(this);
  }
}

/** The bytes of a text, or of numbers. */
function bytesFrom(source: string | Iterable<number>): TestBuffer {
  return new TestBuffer(typeof source === "string" ? new TextEncoder().encode(source) : [...source]);
}

export const Buffer: typeof TestBuffer & { from: typeof bytesFrom } = Object.assign(TestBuffer, {
  from: bytesFrom,
});

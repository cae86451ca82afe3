import assert from "node:assert/strict";
import { ZbudError } from "../../src/base/index.ts";

/** Tells whether `error` is a {@link ZbudError} with `code`, whose message says more and names `names`. */
export function isCode(code: string, ...names: string[]): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof ZbudError)) throw error;
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.length > code.length + 12, `a message that says what to do: ${error.message}`);
    for (const name of names) assert.ok(error.message.includes(name), `"${name}" is named: ${error.message}`);
    return true;
  };
}

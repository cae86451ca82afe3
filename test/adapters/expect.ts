/** What @keyv/test-suite uses of vitest, on node:test and node:assert. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, it, type TestContext } from "node:test";
import type { keyvApiTests } from "@keyv/test-suite";

type Vitest = Parameters<typeof keyvApiTests>[0];

/** What is to be checked of a value. */
interface Matchers {
  readonly not: Matchers;
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toBeTruthy(): void;
  toBeFalsy(): void;
  toBeNull(): void;
  toBeUndefined(): void;
  toBeDefined(): void;
}

/** Counts what is checked, since a suite may say how many checks it expects. */
class Expectations {
  #made = 0;
  #wanted: number | null = null;

  readonly expect: ((actual: unknown) => Matchers) & { assertions(count: number): void } = Object.assign(
    (actual: unknown): Matchers => {
      this.#made++;
      return matchers(actual, true);
    },
    {
      assertions: (count: number): void => {
        this.#wanted = count;
      },
    },
  );

  verify(): void {
    if (this.#wanted !== null) assert.equal(this.#made, this.#wanted, "checks made");
  }
}

function matchers(actual: unknown, wanted: boolean): Matchers {
  const check = (holds: boolean, what: string): void => {
    assert.equal(holds, wanted, `${String(actual)} is ${wanted ? "not " : ""}${what}`);
  };
  return {
    get not() {
      return matchers(actual, !wanted);
    },
    toBe: (expected) => check(Object.is(actual, expected), String(expected)),
    toEqual: (expected) => {
      if (wanted) assert.deepEqual(actual, expected);
      else assert.notDeepEqual(actual, expected);
    },
    toBeTruthy: () => check(Boolean(actual), "truthy"),
    toBeFalsy: () => check(!actual, "falsy"),
    toBeNull: () => check(actual === null, "null"),
    toBeUndefined: () => check(actual === undefined, "undefined"),
    toBeDefined: () => check(actual !== undefined, "defined"),
  };
}

type VitestBody = (t: { expect: Expectations["expect"] }) => unknown;

const module = {
  it: (name: string, run: VitestBody) =>
    it(name, async (_: TestContext) => {
      const expectations = new Expectations();
      await run({ expect: expectations.expect });
      expectations.verify();
    }),
  beforeEach,
  afterEach,
};

/** To be given to the suites in place of the module `vitest`. */
export const vitest: Vitest = module as unknown as Vitest;

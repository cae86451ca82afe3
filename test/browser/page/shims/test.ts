/** What the tests use of node:test, for browsers: tests are collected, then run one after the other. */

/** How one test ended. */
export interface TestResult {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  /** The error's stack, or why it was skipped. */
  detail: string;
  ms: number;
}

/** What a test gets. */
export interface TestContext {
  readonly name: string;
  diagnostic(message: string): void;
  skip(why?: string): void;
  after(clean: () => unknown): void;
  test(name: string, run: (t: TestContext) => unknown): Promise<void>;
}

type Run = (t: TestContext) => unknown;

interface Suite {
  name: string;
  before: Run[];
  after: Run[];
  beforeEach: Run[];
  afterEach: Run[];
  parts: (Suite | { name: string; run: Run })[];
}

const root = makeSuite("");
let current = root;

function makeSuite(name: string): Suite {
  return { name, before: [], after: [], beforeEach: [], afterEach: [], parts: [] };
}

export function describe(name: string, ...rest: unknown[]): void {
  const outer = current;
  const suite = makeSuite(name);
  outer.parts.push(suite);
  current = suite;
  try {
    (rest.at(-1) as () => void)();
  } finally {
    current = outer;
  }
}

export function it(name: string, ...rest: unknown[]): void {
  // What a test says beforehand that it is not for. One that finds it out while it runs is reported.
  const { skip = false } = rest.length > 1 ? (rest[0] as { skip?: boolean | string }) : {};
  if (skip === false) current.parts.push({ name, run: rest.at(-1) as Run });
}

export function before(run: Run): void {
  current.before.push(run);
}

export function after(run: Run): void {
  current.after.push(run);
}

export function beforeEach(run: Run): void {
  current.beforeEach.push(run);
}

export function afterEach(run: Run): void {
  current.afterEach.push(run);
}

/** Runs what was collected so far. */
export async function runAll(): Promise<TestResult[]> {
  const results: TestResult[] = [];
  await runSuite(root, "", [], results);
  return results;
}

async function runSuite(suite: Suite, path: string, around: Suite[], results: TestResult[]): Promise<void> {
  const chain = [...around, suite];
  const hook = (name: string, hooks: Run[]): Promise<void> =>
    hooks.length === 0
      ? Promise.resolve()
      : runTest(
          `${path} ${name}`,
          () => inOrder(hooks),
          results,
          (result) => result.outcome !== "passed",
        );
  await hook("(before)", suite.before);
  for (const part of suite.parts) {
    const name = path === "" ? part.name : `${path} > ${part.name}`;
    if ("parts" in part) {
      await runSuite(part, name, chain, results);
    } else {
      const run: Run = async (t) => {
        await inOrder(chain.flatMap((each) => each.beforeEach));
        try {
          await part.run(t);
        } finally {
          await inOrder(chain.toReversed().flatMap((each) => each.afterEach));
        }
      };
      await runTest(name, run, results, () => true);
    }
  }
  await hook("(after)", suite.after);
}

async function inOrder(hooks: readonly Run[]): Promise<void> {
  for (const hook of hooks) await hook(contextOf("hook", [], { why: null }, []));
}

async function runTest(
  name: string,
  run: Run,
  results: TestResult[],
  isReported: (result: TestResult) => boolean,
): Promise<void> {
  const start = performance.now();
  const cleaners: (() => unknown)[] = [];
  const skip: { why: string | null } = { why: null };
  let result: Pick<TestResult, "outcome" | "detail"> = { outcome: "passed", detail: "" };
  try {
    try {
      await run(contextOf(name, cleaners, skip, results));
    } finally {
      for (const clean of cleaners) await clean();
    }
    if (skip.why !== null) result = { outcome: "skipped", detail: skip.why };
  } catch (error) {
    result = { outcome: "failed", detail: detailOf(error) };
  }
  const reported = { name, ...result, ms: performance.now() - start };
  if (isReported(reported)) results.push(reported);
  // The page stays alive between two tests.
  await new Promise((resolve) => setTimeout(resolve, 0));
}

function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncause: ${detailOf(error.cause)}`;
  return `${error.stack ?? `${error.name}: ${error.message}`}${cause}`;
}

function contextOf(
  name: string,
  cleaners: (() => unknown)[],
  skip: { why: string | null },
  results: TestResult[],
): TestContext {
  return {
    name,
    diagnostic: () => {},
    skip: (why = "") => {
      skip.why = why;
    },
    after: (clean) => {
      cleaners.push(clean);
    },
    test: (inner, run) => runTest(`${name} > ${inner}`, run, results, () => true),
  };
}

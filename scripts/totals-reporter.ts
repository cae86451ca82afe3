import type { TestEvent } from "node:test/reporters";

/**
 * A reporter for node's test runner that prints its totals and nothing else. The spec reporter prints the
 * failures after its totals, and a long failure hides them.
 */
export default async function* totals(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    // Each file has a summary too; the one without a file is that of the run.
    if (event.type !== "test:summary" || event.data.file !== undefined) continue;
    const { tests, suites, passed, cancelled, skipped, todo } = event.data.counts;
    const fail = tests - passed - cancelled - skipped - todo;
    const counts = { tests, suites, pass: passed, fail, cancelled, skipped, todo };
    for (const [name, count] of Object.entries(counts)) yield `ℹ ${name} ${count}\n`;
  }
}

import type { TestEvent } from "node:test/reporters";

/** A reporter for node's test runner: the names of the tests that failed, one a line. Suites are left out. */
export default async function* failures(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== "test:fail" || event.data.details.type === "suite") continue;
    // A file that fails as a whole, for example because it does not load, is named by its path.
    yield `${event.data.name.replaceAll("\n", " ")}\n`;
  }
}

/** Opening and closing leaves nothing behind. `npm run soak:segments` does it 10,000 times. */

import { describe, it } from "node:test";
import { checkHeld, openAndClose } from "./cycles.ts";

describe("opening and closing", () => {
  it("300 times: no descriptor, mapping or memory is left behind", async (t) => {
    const report = await openAndClose(300);
    t.diagnostic(JSON.stringify(report));
    checkHeld(report);
  });
});

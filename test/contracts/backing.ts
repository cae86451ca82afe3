import { describe } from "node:test";
import { faultlessCases } from "./backing/calls.ts";
import type { BackingKind } from "./backing/kind.ts";
import { misuseCases } from "./backing/misuse.ts";
import { orderCases } from "./backing/order.ts";

/** What every kind of backing store must do. */
export function backingContract(kind: BackingKind): void {
  describe(`backing contract: ${kind.name}`, () => {
    faultlessCases(kind);
    orderCases(kind);
    misuseCases(kind);
  });
}

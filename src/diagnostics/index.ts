export { type HasPages, isInspectable, type Verifiable } from "./inside.ts";
export { snapshot, snapshotColumns } from "./snapshot.ts";
export { verify } from "./verify.ts";

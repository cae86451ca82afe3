export { isInspectable } from "./inside.ts";
export { snapshot, snapshotColumns } from "./snapshot.ts";
export { verify } from "./verify.ts";

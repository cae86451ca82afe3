export { attachZpool, createZpool, Zpool } from "./zpool.ts";

export { endOrDeadlock } from "./deadlock-search.ts";

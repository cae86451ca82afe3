import { run } from "./program.mjs";

globalThis.result = run();

import { run } from "./program.mjs";

run().then((result) => console.log(JSON.stringify(result)));

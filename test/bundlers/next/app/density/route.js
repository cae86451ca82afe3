import { connection } from "next/server";
import { run } from "../../program.mjs";

/** GET /density: what the cache holds in a bundle of Next.js. */
export async function GET() {
  await connection();
  return Response.json(await run());
}

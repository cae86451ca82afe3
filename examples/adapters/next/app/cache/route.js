import { connection } from "next/server";
import { cache } from "../../cache.mjs";

/** GET /cache: the cache's figures. */
export async function GET() {
  await connection();
  return Response.json(cache.stats());
}

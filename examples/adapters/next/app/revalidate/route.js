import { revalidatePath, revalidateTag } from "next/cache";

/** POST /revalidate?tag=products, with &now if not even one more reader may see what was; or ?path=/ */
export function POST(request) {
  const query = new URL(request.url).searchParams;
  if (query.has("path")) revalidatePath(query.get("path"));
  if (query.has("tag")) revalidateTag(query.get("tag"), query.has("now") ? { expire: 0 } : "max");
  return new Response(null, { status: 204 });
}

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { cacheLife, cacheTag } from "next/cache";
import { Suspense } from "react";

/** How many products there are of each category. */
const STOCK = { coffee: 200, tea: 300 };

async function askStock(category) {
  await pause(5); // the database
  if (!(category in STOCK)) throw new Error(`the shop has no ${category}`);
  return STOCK[category];
}

/** Rendered once for each category, and then in the cache, until a day has passed or a tag is revalidated. */
async function Products({ category }) {
  "use cache";
  cacheLife("days");
  cacheTag("products", `products ${category}`);
  const count = await askStock(category);
  return (
    <ul data-render={randomUUID()}>
      {Array.from({ length: count }, (_, i) => `${category} number ${i}`).map((product) => (
        <li key={product}>{product}</li>
      ))}
    </ul>
  );
}

async function Chosen({ searchParams }) {
  const { category = "coffee" } = await searchParams;
  return <Products category={category} />;
}

export default function Page({ searchParams }) {
  return (
    <Suspense fallback={<p>One moment</p>}>
      <Chosen searchParams={searchParams} />
    </Suspense>
  );
}

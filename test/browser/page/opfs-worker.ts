/** The worker of opfs.test.ts: keeps pages in a store over OPFS, and flushes, but never closes. */

import { OpfsBacking } from "../../../src/backing/index.ts";
import { PageStore } from "../../../src/store/index.ts";
import { isPageOf, makePage } from "../../store/pages.ts";

const PAGES = 300;
const PAGE = 4096;

/** What was found at opening, and how many pages were there, whole. */
export interface Told {
  found: string;
  pages: number;
}

/** Opens, counts the pages that an earlier worker left, and writes them all. */
export async function work(): Promise<Told> {
  const options = { maxBytes: 2 ** 23, unclean: "flushed" } as const;
  const backing = await OpfsBacking.open("pages.zbud", options);
  const store = new PageStore({ pageSize: PAGE, maxBytes: "1MiB", backing });
  const into = new Uint8Array(PAGE);
  let pages = 0;
  for (let i = 0; i < PAGES; i++) {
    if ((await store.loadAsync(i, into)) === "loaded" && isPageOf(i, into)) pages++;
  }
  for (let i = 0; i < PAGES; i++) await store.storeAsync(i, makePage(i, pages + 1, PAGE));
  await store.flush();
  return { found: backing.opened?.found ?? "", pages };
}

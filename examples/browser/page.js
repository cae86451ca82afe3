// Keeps a large data set in compressed memory, and shows what that saves.
import { CompressedCache } from "zbud/cache";

const RECORDS = Number(new URLSearchParams(location.search).get("records") ?? 50_000);
/** How long the page stores before it lets the browser draw. */
const SLICE_MS = 12;

const element = (id) => document.getElementById(id);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

const CITIES = ["Berlin", "Paris", "Lisboa", "Oslo", "Kraków", "Zürich", "Napoli", "Brno"];
const GOODS = ["keyboard", "lamp", "chair", "desk", "monitor", "cable", "notebook", "headphones"];

/** An order: the same for the same number. */
function order(number) {
  let state = number + 1;
  const below = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  return {
    number,
    placed: new Date(1_700_000_000_000 + below(2 ** 31) * 10).toISOString(),
    customer: { id: below(50_000), city: CITIES[below(CITIES.length)], newsletter: below(2) === 1 },
    items: Array.from({ length: 10 + below(40) }, () => ({
      article: GOODS[below(GOODS.length)],
      quantity: 1 + below(3),
      cents: 100 * below(500) + 99,
    })),
    status: ["open", "paid", "sent", "returned"][below(4)],
  };
}

// An order takes some 500 bytes, compressed and with its place in the index.
const cache = new CompressedCache({ maxBytes: "64MiB", averageBytes: 600 });

function showSaving() {
  const { originalBytes, bytesUsed } = cache.stats();
  element("original").textContent = megabytes(originalBytes);
  element("used").textContent = megabytes(bytesUsed);
  const most = Math.max(originalBytes, bytesUsed, 1);
  element("bar-original").style.width = `${(100 * originalBytes) / most}%`;
  element("bar-used").style.width = `${(100 * bytesUsed) / most}%`;
  return originalBytes / bytesUsed;
}

function lookUp(number) {
  const start = performance.now();
  const found = cache.get(number);
  const us = Math.round((performance.now() - start) * 1000);
  element("found").textContent =
    found === undefined
      ? `There is no order ${number}.`
      : `${JSON.stringify(found, null, 2)}\n\ndecompressed and parsed in ${us} µs`;
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp(Number(element("number").value));
});
element("random").addEventListener("click", () => {
  const input = element("number");
  input.value = String((Number(input.value) * 7919 + 104_729) % RECORDS);
  lookUp(Number(input.value));
});

let stored = 0;
while (stored < RECORDS) {
  const until = performance.now() + SLICE_MS;
  while (stored < RECORDS && performance.now() < until) {
    const result = cache.set(stored, order(stored));
    if (result !== "add") throw new Error(`order ${stored} is not kept: ${result}`);
    stored++;
  }
  element("progress").value = stored / RECORDS;
  showSaving();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

const ratio = showSaving();
const threads = crossOriginIsolated ? "and workers could share it" : "in this thread alone";
element("state").textContent =
  `${cache.size.toLocaleString("en")} orders are kept in ${ratio.toFixed(1)} times less memory, ${threads}.`;
lookUp(0);

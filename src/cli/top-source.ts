import type { Tick } from "../viewer/index.ts";
import { hideFfiWarning } from "./ffi-warning.ts";

/** One look at what `zbud top` shows. */
export interface TopLook {
  readonly title: string;
  /** Where it is, beside the title. */
  readonly where: string;
  /** More about it, on a line of its own. */
  readonly about?: string;
  readonly tick: Tick;
  /** How long it is left alone at least until the next look. */
  readonly restMs: number;
}

/** What `zbud top` looks at. */
export interface TopSource {
  look(signal: AbortSignal): TopLook | Promise<TopLook>;
  close(): void;
}

/** A look at a pool walks its table under its lock: at most this share of the time. */
const LOOK_SHARE = 0.01;

/** A viewer by its port or URL, or what processes share by its name. */
export async function topSource(what: string): Promise<TopSource> {
  const { viewerAddress } = await import("./viewer-client.ts");
  const url = viewerAddress(what);
  return url === null ? await sharedSource(what) : await viewerSource(url);
}

async function viewerSource(url: URL): Promise<TopSource> {
  const { fetchStats } = await import("./viewer-client.ts");
  return {
    async look(signal) {
      const { hello, tick } = await fetchStats(url, signal);
      const where = `${url.origin}  ${Math.round(tick.at / 1000)} s`;
      return { title: hello.title, where, tick, restMs: 0 };
    },
    close() {},
  };
}

async function sharedSource(name: string): Promise<TopSource> {
  hideFfiWarning();
  const [{ openMemory }, { aboutText }, { Entries, flattenStats }, { ZbudError }] = await Promise.all([
    import("./shared-memory.ts"),
    import("./shared-memory-text.ts"),
    import("../viewer/index.ts"),
    import("../base/index.ts"),
  ]);
  let opened: ReturnType<typeof openMemory>;
  try {
    opened = openMemory(name);
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string };
    if (code !== "ENOENT" && code !== "EINVAL") throw cause;
    const text = message.replace(/ \([A-Z]+\)$/, "");
    const or = "for a viewer, name a port or an address such as http://127.0.0.1:4711/";
    throw new ZbudError(code, `${text}; ${or}`, { cause });
  }
  const entries = new Entries(opened.thing, false);
  // The first look meets the compiler, and a busy machine makes any of them long: the shorter of two counts.
  let lastMs = 0;
  return {
    look() {
      const info = opened.info();
      const begun = performance.now();
      const flat = flattenStats(opened.thing.stats());
      const looked = entries.look(begun);
      const at = performance.now();
      const restMs = Math.min(at - begun, lastMs) / LOOK_SHARE;
      lastMs = at - begun;
      return {
        title: name,
        where: info.path,
        about: aboutText(info, Date.now()),
        tick: {
          ...{ at, ...flat, ...looked, evictedFrom: [], decisions: [], player: null },
          // Without this process, and what it lacks.
          texts: withoutFallbacks(flat.texts),
          users: info.processes,
        },
        restMs,
      };
    },
    close() {
      opened.close();
    },
  };
}

function withoutFallbacks(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter(([name]) => !name.startsWith("fallbacks.")));
}

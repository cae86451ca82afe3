import { ZbudError } from "../base/index.ts";
import { decodeFrame, type Frame, type Hello, type Tick } from "../viewer/index.ts";

const TIMEOUT_MS = 20_000;

/** The address of a viewer: a port of this machine, or a URL. Null: it is neither. */
export function viewerAddress(text: string): URL | null {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return new URL(`http://127.0.0.1:${text}/`);
  if (!/^https?:\/\//.test(text)) return null;
  try {
    const url = new URL(text);
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return url;
  } catch {
    return null;
  }
}

/** What a viewer says of itself, and its counters now. */
export interface ViewerStats {
  hello: Hello;
  tick: Tick;
}

/** @throws {ZbudError} `ENOENT` if nobody answers there, `EBADMSG` if it is no viewer. */
export async function fetchStats(url: URL, signal: AbortSignal): Promise<ViewerStats> {
  const response = await ask(new URL("stats", url), signal);
  const stats = (await response.json().catch(() => null)) as ViewerStats | null;
  if (typeof stats?.hello?.title !== "string" || typeof stats.tick?.counters !== "object")
    throw noViewer(url);
  return stats;
}

/** The pages now. @throws {ZbudError} as {@link fetchStats}; `ENOTSUP` if there are none to show. */
export async function fetchFrame(url: URL, signal: AbortSignal): Promise<Frame> {
  const response = await ask(new URL("snapshot", url), signal);
  return decodeFrame(await response.arrayBuffer());
}

async function ask(url: URL, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
  } catch (cause) {
    signal.throwIfAborted();
    throw new ZbudError(
      "ENOENT",
      `nobody answers at ${url.origin}: is the program running, and its viewer listening?`,
      {
        cause,
      },
    );
  }
  if (response.ok) return response;
  const why = (await response.text()).trim();
  if (response.status === 404 && why.includes("snapshotColumns()")) throw new ZbudError("ENOTSUP", why);
  if (response.status === 503) throw new ZbudError("ENOENT", `the viewer at ${url.origin} says: ${why}`);
  throw noViewer(url);
}

function noViewer(url: URL): ZbudError {
  return new ZbudError(
    "EBADMSG",
    `what answers at ${url.origin} is no viewer; give the address that listen() gave`,
  );
}

import { bytesText, ZbudError } from "../base/index.ts";
import { checkHello, checkTick, decodeFrame, type Frame, type Hello, type Tick } from "../viewer/index.ts";

/** What is waited for, and taken, of whatever answers. */
export interface ClientLimits {
  /** Until all of an answer is there. */
  readonly timeoutMs: number;
  readonly maxStatsBytes: number;
  readonly maxFrameBytes: number;
}

const LIMITS: ClientLimits = {
  // A snapshot of a large pool may be so late, since looking at it takes 0.5 % of the time.
  timeoutMs: 20_000,
  maxStatsBytes: 2 ** 22,
  // 16 million objects.
  maxFrameBytes: 2 ** 28,
};
/** Of what a server says of a failure. */
const WHY_MAX = 1000;
/** What the system says of an address at which nobody listens. */
const NOBODY: ReadonlySet<string> = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT"],
  ...["EHOSTDOWN", "ENETDOWN", "UND_ERR_CONNECT_TIMEOUT", "EACCES", "EPERM"],
]);

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

/**
 * Asks for the counters. Whatever answers there, this takes at most 4 MiB and 20 s, or what `limits` say.
 *
 * @throws {ZbudError} `ENOENT` if nobody answers there, `ETIMEDOUT` if not in time, `EBADMSG` if it is no viewer.
 */
export async function fetchStats(
  url: URL,
  signal: AbortSignal,
  limits: ClientLimits = LIMITS,
): Promise<ViewerStats> {
  const bytes = await ask(url, "stats", limits.maxStatsBytes, signal, limits.timeoutMs);
  let stats: Partial<ViewerStats> | null;
  try {
    stats = JSON.parse(new TextDecoder().decode(bytes)) as Partial<ViewerStats> | null;
  } catch {
    throw noViewer(url, "it does not answer with JSON");
  }
  return { hello: checkHello(stats?.hello), tick: checkTick(stats?.tick) };
}

/**
 * Asks for the pages now, of 256 MiB at most.
 *
 * @throws {ZbudError} as {@link fetchStats}; `ENOTSUP` if there are none to show.
 */
export async function fetchFrame(
  url: URL,
  signal: AbortSignal,
  limits: ClientLimits = LIMITS,
): Promise<Frame> {
  return decodeFrame((await ask(url, "snapshot", limits.maxFrameBytes, signal, limits.timeoutMs)).buffer);
}

/** What is answered, all of it in time, or an error that says what is wrong with it. */
async function ask(
  url: URL,
  what: string,
  maxBytes: number,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const late = AbortSignal.timeout(timeoutMs);
  const both = AbortSignal.any([signal, late]);
  try {
    // Not followed: who gave this address did not mean another.
    const response = await fetch(new URL(what, url), { signal: both, redirect: "manual" });
    if (response.ok) {
      const bytes = await bodyOf(response, maxBytes);
      if (bytes === null) throw noViewer(url, `its answer is longer than ${bytesText(maxBytes)}`);
      return bytes;
    }
    throw await refusalOf(url, response);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ZbudError) throw cause;
    if (late.aborted) {
      throw new ZbudError(
        "ETIMEDOUT",
        `${url.origin} did not answer within ${timeoutMs / 1000} s; is a viewer there, and is its program not busy?`,
        { cause },
      );
    }
    throw failureOf(url, cause);
  }
}

/** All of a body, or null if it is longer. The rest is not read then, and the connection ends. */
async function bodyOf(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > maxBytes) return null;
    pieces.push(piece);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

async function refusalOf(url: URL, response: Response): Promise<ZbudError> {
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel();
    const to = response.headers.get("location");
    return noViewer(url, `it names another address${to === null ? "" : `, ${to.slice(0, WHY_MAX)}`}`);
  }
  const bytes = await bodyOf(response, WHY_MAX);
  const why = bytes === null ? "" : new TextDecoder().decode(bytes).trim();
  if (response.status === 404 && why.includes("snapshotColumns()")) return new ZbudError("ENOTSUP", why);
  if (response.status === 503 && why !== "") {
    return new ZbudError("ENOENT", `the viewer at ${url.origin} says: ${why}`);
  }
  return noViewer(url, `it answers with HTTP status ${response.status}`);
}

/** Why there was no answer, or only a part of one. */
function failureOf(url: URL, cause: unknown): ZbudError {
  const { code, message } = ((cause as { cause?: unknown } | undefined)?.cause ?? {}) as Record<
    string,
    unknown
  >;
  // Or a port that fetch asks nobody at.
  if (NOBODY.has(code as string) || message === "bad port") {
    return new ZbudError(
      "ENOENT",
      `nobody answers at ${url.origin}: is the program running, and its viewer listening?`,
      { cause },
    );
  }
  return noViewer(url, "its answer is not HTTP, or is cut off", cause);
}

function noViewer(url: URL, why: string, cause?: unknown): ZbudError {
  return new ZbudError(
    "EBADMSG",
    `what answers at ${url.origin} is not a viewer: ${why}; give the address that listen() gave`,
    { cause },
  );
}

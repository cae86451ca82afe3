import {
  identifier,
  isNode,
  lineOf,
  type SyntaxNode,
  stringLiteral,
  type Tree,
  walkSyntax,
} from "./sources.ts";

/**
 * The files under test/ that sleep, or look at the time that passes, and why. All others wait for events, or with
 * `until` for a condition, and give what they test a clock of their own: a busy machine is slow, and a sleep that was
 * long enough yesterday is too short on it.
 */
export const REAL_TIME: Readonly<Record<string, string>> = {
  "test/adapters/next.test.ts": "the handler must agree with Next.js's own clock, which is this one",
  "test/backing/faults.ts": "a fault of the kind that answers late",
  "test/backing/faulty.ts": "a fault of the kind that never answers",
  "test/backing/file-kills.ts": "kills processes until a time is over, when it soaks",
  "test/backing/loop.test.ts":
    "the subject is how long a turn of the event loop takes; half of many must be short",
  "test/backing/redis.test.ts": "a real server takes a moment for each step, in which it is killed",
  "test/backing/threads.test.ts": "threads die at random moments",
  "test/browser/page/lock.ts": "the subject is that a main thread tries for a while, and then gives up",
  "test/browser/page/shims/test.ts": "reports how long a test took",
  "test/browser/page/shims/timers.ts": "what stands for timers in a browser",
  "test/browser/viewer.test.ts":
    "the subject is how many frames a second are drawn; half of many must be in time",
  "test/browser/viewer-still.test.ts": "the subject is that nothing moves for ten seconds, while all changes",
  "test/cli/screens.test.ts": "a pool refuses again and again, while a command looks at it",
  "test/cache/cache.test.ts": "compares two times of the same work, the best of twenty each",
  "test/cache/dictionary-failures.test.ts": "the subject is a clock that is replaced",
  "test/cache/file-gates.ts": "a deadline, in turns that are far shorter than those of `until`",
  "test/cache/improver-kill-worker.ts": "what is looked for every half minute is looked for every 5 ms",
  "test/cache/improver-kills.ts": "threads die at random moments",
  "test/cache/remote-cache.ts": "a deadline for the answer of another thread, on which this one blocks",
  "test/cache/flush-every-child.ts":
    "the subject is a timer of the cache, in a process that is killed at a random moment",
  "test/cache/save-child.ts": "stays alive until it is killed",
  "test/cache/wait-for-graph.test.ts": "the subject is what a context is behind a timer",
  "test/cli/estimate.test.ts":
    "the subject is how soon `npm start` answers; the bound is six times what it takes",
  "test/cli/hostile-viewer.test.ts":
    "a server that drips, and a deadline for a command that must end by itself",
  "test/codecs/lz4-fuzz.test.ts": "a bound a thousand times what it takes: no block makes a decoder spin",
  "test/drivers/size-classes/refit.test.ts": "real threads read until they read enough, within a deadline",
  "test/drivers/zsmalloc/compaction.test.ts": "real threads read until they read enough, within a deadline",
  "test/backing/shared-churn.ts": "processes work, and die, until a time is over",
  "test/backing/shared-ends.test.ts": "a process is stopped, and goes on a moment later",
  "test/cache/shared-loads.test.ts": "how soon a load of a dead process is replaced",
  "test/cache/following-child.ts": "takes memory in turns of the event loop, within a second or so",
  "test/cli/list.test.ts": "the age of what is listed",
  "test/machines/play.ts": "things go wrong at random moments, for a while",
  "test/machines/player.ts": "its pace, so that things go wrong meanwhile",
  "test/machines/world.ts": "things go wrong for a while",
  "test/memory/cycles.ts": "a soak: how long an opening takes",
  "test/processes/board.ts": "processes that share nothing but memory wait for each other by looking",
  "test/processes/outlives.test.ts": "the subject is that a lock is waited for, for 10 s",
  "test/processes/torture.ts": "processes die at random moments, and when it soaks, until a time is over",
  "test/redis/proxy.ts": "bytes that come later, as over a slow network",
  "test/redis/breaks.test.ts": "the subject is for how long memory is served after a line broke",
  "test/redis/coherence.test.ts": "loads of several machines take long enough to meet",
  "test/redis/server.ts": "the time-out of a socket",
  "test/store/churn.ts": "a soak: it goes on for as long as it is told to",
  "test/store/worker-kills.ts": "threads die at random moments",
  "test/support/killed-process.ts": "a process dies at a random moment",
  "test/support/until.ts": "the wait for a condition, with its deadline",
  "test/threads/worker-group.ts": "deadlines for threads that block on one another",
  "test/threads/exceptions-child.ts":
    "a thread is slow with the lock, and the subject is that another waits for it",
  "test/threads/exceptions.test.ts":
    "the lock is free: no wait for the time after which a holder is looked for",
  "test/threads/history-worker.ts": "a thread naps with the lock held, so that calls overlap",
  "test/threads/pool-kills.ts": "threads die at random moments",
  "test/threads/expected-objects.ts": "the system shows a thread for a moment after its end",
  "test/threads/native-kills-child.ts": "threads die at random moments",
  "test/threads/native-kills.ts": "reports how long it took",
  "test/threads/crash-runner.ts": "a thread is to block on the lock before its holder dies",
  "test/threads/stress.test.ts": "threads work undisturbed between two audits; reports how long it took",
};

/** Where files sleep or look at the time that passes: path, line and what it is. */
export function realTimeUses(tree: Tree): { path: string; line: number; what: string }[] {
  const uses: { path: string; line: number; what: string }[] = [];
  for (const [path, text] of tree) {
    walkSyntax(path, text, (node) => {
      const what = realTimeUse(node);
      if (what !== null) uses.push({ path, line: lineOf(text, node.start), what });
    });
  }
  return uses;
}

function realTimeUse(node: SyntaxNode): string | null {
  if (node.type === "ImportDeclaration") return importedTimer(node);
  if (node.type === "BinaryExpression") {
    // The time some seconds ago, for the date of a file, is `Date.now() - 1000`.
    const isDuration = node.operator === "-" && isNode(node.right) && node.right.type !== "Literal";
    return isDuration && isNode(node.left) && methodOf(node.left) === "Date.now" ? "Date.now" : null;
  }
  if (node.type !== "CallExpression" || !Array.isArray(node.arguments)) return null;
  const method = methodOf(node) ?? identifier(node.callee) ?? "";
  if (method === "Atomics.wait") return node.arguments.length > 3 ? method : null;
  if (/^(?:\w+\.)?(?:setTimeout|setInterval)$|^performance\.now$/.test(method)) return method;
  return null;
}

function importedTimer(node: SyntaxNode): string | null {
  if (stringLiteral(node.source) !== "node:timers/promises" || !Array.isArray(node.specifiers)) return null;
  const names = node.specifiers.map((specifier: SyntaxNode) => identifier(specifier.imported));
  return names.find((name) => name === "setTimeout" || name === "setInterval") ?? null;
}

/** `a.b` of a call of it. */
function methodOf(node: SyntaxNode): string | null {
  if (node.type !== "CallExpression" || !isNode(node.callee) || node.callee.type !== "MemberExpression")
    return null;
  const [object, property] = [identifier(node.callee.object), identifier(node.callee.property)];
  return property === undefined ? null : `${object ?? "_"}.${property}`;
}

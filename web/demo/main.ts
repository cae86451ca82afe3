/** The viewer of the documentation: plays a trace on a real pool, all of it in this page. */
import { parseTrace } from "../../src/trace/index.ts";
import { TracePlayer } from "../../src/viewer/player.ts";
import { LocalSource } from "../viewer/local.ts";
import { mountViewer } from "../viewer/mount.ts";

const TRACE = "trace.jsonl";
const OPERATIONS_A_SECOND = 100;
/** Operations that are done when the page opens, so that there is something to see. */
const BEGIN_AT = 1200;

const response = await fetch(TRACE);
const player = new TracePlayer(parseTrace(await response.text()));
player.control({ do: "speed", value: OPERATIONS_A_SECOND });
player.control({ do: "seek", value: BEGIN_AT });
const root = document.getElementById("viewer") as HTMLElement;
mountViewer(root, new LocalSource(player, "A recorded workload"));

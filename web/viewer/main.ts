/** The page of a viewer's server. */
import { mountViewer } from "./mount.ts";
import { HttpSource } from "./source.ts";

mountViewer(document.getElementById("viewer") as HTMLElement, new HttpSource());

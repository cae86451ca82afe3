import type { TracePlayer } from "../../src/viewer/player.ts";
import type { Frame } from "../../src/viewer/snapshot-frame.ts";
import type { PlayerCommand } from "../../src/viewer/types.ts";
import { Watch } from "../../src/viewer/watch.ts";
import type { Source } from "./source.ts";

/** A trace that is played in the page itself. */
export class LocalSource implements Source {
  readonly #player: TracePlayer;
  readonly #watch: Watch;
  #last = 0;

  constructor(player: TracePlayer, title: string) {
    this.#player = player;
    this.#watch = new Watch(player, title, () => performance.now());
  }

  start(heard: Parameters<Source["start"]>[0]): void {
    this.#watch.subscribe(heard.tick);
    heard.hello(this.#watch.hello());
    heard.connected(true);
    this.#watch.soon();
  }

  async frame(): Promise<Frame | null> {
    const { number, frame } = await this.#watch.frame(this.#last);
    this.#last = number;
    return frame;
  }

  control(command: PlayerCommand): Promise<void> {
    this.#player.control(command);
    this.#watch.soon();
    return Promise.resolve();
  }
}

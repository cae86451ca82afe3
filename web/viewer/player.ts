import { countText } from "../../src/base/number-text.ts";
import type { PlayerCommand, PlayerState } from "../../src/viewer/types.ts";
import { button, el } from "../shared/dom.ts";

const SPEEDS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/** Play, pause, step, speed and place of a trace. */
export class PlayerBar {
  readonly element: HTMLElement;
  readonly #play: HTMLButtonElement;
  readonly #speed = el("select", { "aria-label": "Operations a second" });
  readonly #seek = el("input", { type: "range", min: 0, value: 0, "aria-label": "Place in the trace" });
  readonly #text = el("output", { class: "num" });
  #state: PlayerState | null = null;
  #seeking = false;

  constructor(control: (command: PlayerCommand) => void) {
    this.#play = button("Play", () => control({ do: this.#state?.playing ? "pause" : "play" }), {
      class: "play",
    });
    const step = button("Step", () => control({ do: "step" }), { "aria-label": "Step: one operation" });
    for (const speed of SPEEDS)
      this.#speed.append(el("option", { value: speed }, `${countText(speed)} op/s`));
    this.#speed.addEventListener("change", () => control({ do: "speed", value: Number(this.#speed.value) }));
    this.#seek.addEventListener("input", () => {
      this.#seeking = true;
    });
    this.#seek.addEventListener("change", () => {
      this.#seeking = false;
      control({ do: "seek", value: Number(this.#seek.value) });
    });
    this.element = el(
      "section",
      { class: "player", "aria-label": "Player" },
      this.#play,
      step,
      this.#speed,
      this.#seek,
      this.#text,
    );
  }

  show(state: PlayerState): void {
    this.#state = state;
    this.#play.textContent = state.playing ? "Pause" : "Play";
    this.#play.setAttribute("aria-pressed", String(state.playing));
    this.#seek.max = String(state.length);
    if (!this.#seeking) this.#seek.value = String(state.position);
    const speed = String(state.speed);
    if (![...this.#speed.options].some(({ value }) => value === speed))
      this.#speed.append(el("option", { value: speed }, `${countText(state.speed)} op/s`));
    if (document.activeElement !== this.#speed) this.#speed.value = speed;
    const wrong = state.mismatches === 0 ? "" : ` · ${countText(state.mismatches)} came out otherwise`;
    this.element.classList.toggle("paused", !state.playing);
    this.#text.textContent = `${countText(state.position)} of ${countText(state.length)}${state.last === "" ? "" : ` · ${state.last}`}${wrong}`;
  }
}

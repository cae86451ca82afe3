/** What an element may hold: others, or text, which is never read as HTML. */
export type Child = Node | string | number | null;

/** Attributes; true sets one without a value, and false, like null, leaves it out. */
export type Attributes = Record<string, string | number | boolean | null>;

/** Makes an element. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, ...children);
  return element;
}

/** Puts children at an element's end. */
export function append(element: Element, ...children: Child[]): void {
  for (const child of children)
    if (child !== null) element.append(child instanceof Node ? child : String(child));
}

/** A button with words on it. */
export function button(label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = el("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", onClick);
  return element;
}

/** A block of code with a button that copies it. */
export function codeBlock(code: string, label: string): HTMLElement {
  const copy = button("Copy", () => void put(), { class: "copy", "aria-label": `Copy ${label}` });
  const said = el("span", { class: "hidden", role: "status" });
  async function put(): Promise<void> {
    try {
      await navigator.clipboard.writeText(code);
    } catch {
      // A page from the file system may not be let near the clipboard; this way needs no leave.
      const area = el("textarea", { class: "hidden" });
      area.value = code;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      copy.focus();
    }
    copy.textContent = "Copied";
    said.textContent = "Copied";
    setTimeout(() => {
      copy.textContent = "Copy";
      said.textContent = "";
    }, 1500);
  }
  return el(
    "div",
    { class: "code" },
    el("pre", { tabindex: 0, "aria-label": label }, el("code", {}, code)),
    copy,
    said,
  );
}

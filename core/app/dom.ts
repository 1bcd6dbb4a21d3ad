// Elements. Text from a job, its runner or its logs goes through `textContent` alone.

type Child = Node | string | undefined | false;

function fill<E extends Element>(element: E, attributes: Record<string, string>, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children) if (child) element.append(child);
  return element;
}

function el(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): SVGElement {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function button(label: string, kind: string, act: () => void, disabled = false): HTMLElement {
  const made = el("button", { type: "button", class: kind }, label);
  if (disabled) made.setAttribute("disabled", "");
  made.addEventListener("click", act);
  return made;
}

const SVG_TAGS = new Set(["svg", "g", "rect", "circle", "path", "text", "title"]);
const SVG_ATTRIBUTES = ["viewBox", "width", "height", "x", "y", "cx", "cy", "r", "rx", "d", "class", "role"];

/** A copy of a picture that has nothing but shapes and text; its style is not taken over. */
function shapes(from: Element): Element | undefined {
  if (!SVG_TAGS.has(from.tagName)) return undefined;
  const to = svg(from.tagName);
  for (const name of SVG_ATTRIBUTES) {
    const value = from.getAttribute(name);
    if (value !== null) to.setAttribute(name, value);
  }
  for (const child of from.childNodes) {
    const copy = child instanceof Element ? shapes(child) : child.nodeType === 3 && (child.textContent ?? "");
    if (copy) to.append(copy);
  }
  return to;
}

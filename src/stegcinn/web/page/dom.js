// Small things of the page. Text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

const numbers = new Intl.NumberFormat("en");

export const bytes = (n) => `${numbers.format(n)} ${n === 1 ? "byte" : "bytes"}`;

export const percent = (share) => {
  const value = 100 * share;
  if (value > 99.9 && value < 100) return "over 99.9 %"; // "100 %" and "0 %" are claims: nothing is rounded to one
  if (value > 0 && value < 0.1) return "under 0.1 %";
  return `${numbers.format(Number(value.toFixed(value < 10 || value > 99 ? 1 : 0)))} %`;
};

export function show(id, visible = true) {
  $(id).hidden = !visible;
}

export function say(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

export function list(id, lines) {
  $(id).replaceChildren(...lines.map((line) => element("li", line)));
  $(id).hidden = lines.length === 0;
}

export function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

export function options(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => Object.assign(element("option", text), { value })));
}

/** A file input with a place to drop on. `onFile` gets each file chosen or dropped. */
export function dropzone(zone, input, onFile) {
  const take = (files) => files.length && onFile(files[0]);
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // the same file may be chosen again
  });
  let inside = 0; // dragenter and dragleave come for every element within, too
  const mark = (change) => {
    inside = Math.max(0, inside + change);
    zone.classList.toggle("over", inside > 0);
  };
  zone.addEventListener("dragenter", () => mark(1));
  zone.addEventListener("dragleave", () => mark(-1));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-inside);
    if (!zone.closest("fieldset").disabled) take(event.dataTransfer.files);
  });
}

/** Addresses of blobs for images and downloads, released together. */
export class Addresses {
  #made = [];

  of(blob) {
    const address = URL.createObjectURL(blob);
    this.#made.push(address);
    return address;
  }

  release() {
    this.#made.forEach((address) => URL.revokeObjectURL(address));
    this.#made = [];
  }
}

/** The buttons that show what is typed as a password. */
export function showButtons() {
  for (const button of document.querySelectorAll("button.show")) {
    const input = $(button.getAttribute("aria-controls"));
    button.addEventListener("click", () => {
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide" : "Show";
      button.setAttribute("aria-label", shown ? "Hide the password" : "Show the password");
      button.setAttribute("aria-pressed", String(shown));
    });
    button.setAttribute("aria-label", "Show the password");
  }
}

/** A progress bar with its words, and with few enough of them for a screen reader. */
export class Working {
  constructor(prefix, verb) {
    this.prefix = prefix;
    this.verb = verb;
  }

  start(label) {
    this.told = "";
    show(`${this.prefix}-working`);
    this.report({ state: "waiting", progress: 0 }, label);
  }

  report(job, label = null) {
    const bar = $(`${this.prefix}-progress`);
    const known = job.state === "running" && job.progress > 0;
    if (known) bar.value = job.progress;
    else bar.removeAttribute("value");
    const text = label ?? (job.state === "waiting" ? "Waiting for other work to finish …"
      : known ? `${this.verb} … ${percent(Math.floor(100 * job.progress) / 100)}` : `${this.verb} …`);
    $(`${this.prefix}-working-text`).textContent = text;
    const told = known ? `${this.verb}, ${10 * Math.floor(10 * job.progress)} %` : text;
    if (told !== this.told) $(`${this.prefix}-live`).textContent = this.told = told;
  }

  stop() {
    show(`${this.prefix}-working`, false);
  }
}

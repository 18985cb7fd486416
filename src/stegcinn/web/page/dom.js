// Small things of the page. Text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

const numbers = new Intl.NumberFormat("en");

export const bytes = (n) => `${numbers.format(n)} ${n === 1 ? "byte" : "bytes"}`;

/** A size to a glance: two digits, but all of them of what is small. */
export const about = (n) => {
  if (n < 1000) return bytes(n);
  const [unit, name] = n < 1e6 ? [1e3, "kB"] : [1e6, "MB"];
  return `${numbers.format(n / unit < 100 ? Number((n / unit).toPrecision(2)) : Math.round(n / unit))} ${name}`;
};

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

/** Rows of a definition list, of pairs of name and value. */
export function facts(rows) {
  return rows.map(([name, value]) => {
    const row = document.createElement("div");
    row.append(element("dt", name), element("dd", value));
    return row;
  });
}

/** Say something to who cannot see the page: where work begins and where it ends, and nothing between. */
export function announce(text) {
  $("live").textContent = text;
}

export function options(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => Object.assign(element("option", text), { value })));
}

/** Files that were dropped and not taken are told, with the reason. */
export function left(files, reason) {
  const names = [...files].map((file) => file.name).join(", ");
  say("stray", files.length ? `${names} ${files.length > 1 ? "were" : "was"} not taken: ${reason}.` : "");
  if (files.length) announce($("stray").textContent);
}

/** A file input with a place to drop on. `onFiles` gets those chosen or dropped; `single` says why only the first, if so. */
export function dropzone(zone, input, onFiles, single = null) {
  const take = (files) => {
    if (!files.length) return;
    left(single ? files.slice(1) : [], single);
    onFiles(single ? files.slice(0, 1) : files);
  };
  input.addEventListener("change", () => {
    take([...input.files]); // a copy, as the list is emptied with the input
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
    event.stopPropagation(); // what is dropped beside is told elsewhere
    mark(-inside);
    if (zone.closest("fieldset").disabled) left(event.dataTransfer.files, "wait until this is done, or cancel it");
    else take([...event.dataTransfer.files]);
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

/** A progress bar with its words. A screen reader is told of the beginning; the end is where the focus goes. */
export class Working {
  constructor(prefix, verb) {
    this.prefix = prefix;
    this.verb = verb;
  }

  start(label) {
    show(`${this.prefix}-working`);
    this.report({ state: "waiting", progress: 0 }, label);
    announce(`${this.verb} …`);
  }

  report(job, label = null) {
    const bar = $(`${this.prefix}-progress`);
    const known = job.state === "running" && job.progress > 0;
    if (known) bar.value = job.progress;
    else bar.removeAttribute("value");
    const text = label ?? (job.state === "waiting" ? "Waiting for other work to finish …"
      : known ? `${this.verb} … ${percent(Math.floor(100 * job.progress) / 100)}` : `${this.verb} …`);
    $(`${this.prefix}-working-text`).textContent = text;
  }

  /** Not an error: who cancels knows. */
  cancelled(text) {
    say(`${this.prefix}-said`, text);
    announce(text);
  }

  stop() {
    show(`${this.prefix}-working`, false);
  }
}

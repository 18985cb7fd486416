// The frame of the page: the two tabs, and what is asked of the server once.

import { options, setLimits } from "./api.js";
import { $, left, say, show, showButtons } from "./dom.js";
import * as hide from "./hide.js";
import * as reveal from "./reveal.js";

const TABS = ["hide", "reveal"];

function open(name, focus = false) {
  for (const tab of TABS) {
    const chosen = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(chosen));
    $(`tab-${tab}`).tabIndex = chosen ? 0 : -1;
    show(tab, chosen);
  }
  say("stray", "");
  if (focus) $(`tab-${name}`).focus();
}

for (const tab of TABS) {
  $(`tab-${tab}`).addEventListener("click", () => open(tab));
  $(`tab-${tab}`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = { Home: 0, End: TABS.length - 1 }[event.key] ?? (step && (TABS.indexOf(tab) + step + TABS.length) % TABS.length);
    if (at === undefined) return;
    event.preventDefault();
    open(TABS[at], true);
  });
}

// A file dropped beside the mark would replace the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const places = $("hide").hidden ? "on Image" : "on Photo or on What to hide";
  left(event.dataTransfer?.files ?? [], `drop it ${places}`);
});

showButtons();
try {
  const found = await options();
  setLimits(found);
  $("version").textContent = found.version;
  hide.setup(found);
  reveal.setup();
} catch (error) {
  say("trouble", error.message);
  for (const control of document.querySelectorAll("fieldset, form button")) control.disabled = true;
}

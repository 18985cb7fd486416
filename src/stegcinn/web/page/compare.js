// Host and container, before and after, in one place: a slider between them, their difference, their gray-scales.

import { $, Addresses, show } from "./dom.js";

const addresses = new Addresses();
let pictures = {};
let facts = {};

const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

export function setup() {
  const cut = $("compare-cut");
  const move = () => $("compare-stage").style.setProperty("--cut", `${cut.value}%`);
  cut.addEventListener("input", move);
  for (const group of ["compare-modes", "compare-parts"]) $(group).addEventListener("change", draw);
  move();
}

/** Show the pictures of a finished job: blobs by the names that the server gives them. */
export function open(files, found) {
  facts = found;
  addresses.release();
  pictures = {};
  for (const [name, blob] of Object.entries(files)) {
    if (name !== "container") pictures[name] = addresses.of(new Blob([blob], { type: "image/png" }));
  }
  document.querySelector('input[name="compare-mode"][value="colours"]').checked = true;
  document.querySelector('input[name="compare-part"][value="whole"]').checked = true;
  show("compare-parts", "host-detail" in pictures);
  draw();
}

export function close() {
  for (const id of ["compare-before", "compare-after"]) $(id).removeAttribute("src");
  addresses.release();
  pictures = {};
}

function draw() {
  const mode = chosen("compare-mode");
  const part = chosen("compare-part");
  const single = mode === "difference";
  const [before, after] = { colours: ["host", "container"], gray: ["host-gray", "container-gray"],
    difference: ["difference", "difference"] }[mode];
  $("compare-after").src = pictures[`${after}-${part}`];
  if (single) $("compare-before").removeAttribute("src");
  else $("compare-before").src = pictures[`${before}-${part}`];
  $("compare-after").alt = { colours: "The photo after", gray: "The gray-scale after",
    difference: "The difference between before and after, amplified around mid-gray" }[mode];
  $("compare-before").alt = single ? "" : mode === "gray" ? "The gray-scale before" : "The photo before";
  for (const id of ["compare-before", "compare-left", "compare-right", "compare-cut"]) show(id, !single);
  $("compare-stage").classList.toggle("single", single);
  $("compare-stage").classList.toggle("detail", part === "detail");
  $("compare-caption").textContent = caption(mode, part);
}

function caption(mode, part) {
  const reduced = Math.max(facts.width, facts.height) > 1600;
  const place = part === "detail" ? "The part that changed most, pixel by pixel."
    : reduced ? "The whole photo, reduced." : "The whole photo.";
  const same = facts.same_gray === 1 ? "The gray-scales are the same, so nothing moves with the line." : "The gray-scales.";
  const what = facts.jpeg ? "The changes of the stored colours (Cb and Cr)" : "The changes of red, green and blue";
  return {
    colours: `${place} Left of the line is the photo before, right of it with what is hidden in it.`,
    gray: `${place} ${same}`,
    difference: `${place} ${what}, ${facts.amplified} times as strong; gray is no change.`,
  }[mode];
}

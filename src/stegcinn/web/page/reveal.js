// Reveal: an image or several, a password if there is one; then what was hidden, shown as text or picture and nothing else.

import { Upload, run } from "./api.js";
import { $, Addresses, Working, announce, bytes, dropzone, list, say, show } from "./dom.js";
import { Photos } from "./photos.js";

const LOSSY = { "image/gif": "GIF", "image/avif": "AVIF", "image/heic": "HEIC", "image/jxl": "JPEG XL" };
const NO_PREVIEW = "No preview for this kind of file.";
const thumbnails = new Addresses();
const results = new Addresses();
const working = new Working("reveal", "Revealing");
const photos = new Photos("reveal"); // of an album

let image = null;
let revealing = null;

export function setup() {
  dropzone($("reveal-image-step"), $("reveal-image"), takeImages);
  for (const id of ["reveal-image-other", "reveal-album-add"]) $(id).addEventListener("click", () => $("reveal-image").click());
  $("reveal-album-other").addEventListener("click", () => {
    forget();
    show("reveal-image-drop");
    $("reveal-image").focus();
  });
  $("reveal-form").addEventListener("submit", (event) => {
    event.preventDefault();
    reveal();
  });
  $("reveal-cancel").addEventListener("click", () => revealing?.abort());
  $("reveal-picture").addEventListener("error", () => {
    show("reveal-picture", false);
    say("reveal-preview-hint", NO_PREVIEW);
  });
}

/** One is looked at by itself; several are looked for in together, as are all that come to them. */
function takeImages(taken) {
  if (taken.length === 1 && !photos.items.length) {
    takeImage(taken[0]);
    return;
  }
  if (!photos.items.length) forget();
  closeResult();
  for (const id of ["reveal-error", "reveal-said"]) say(id, "");
  photos.add(taken);
  show("reveal-image-drop", !photos.items.length);
  show("reveal-album", photos.items.length > 0);
  if (photos.items.length) announce($("reveal-album-title").textContent);
}

/** Forget all images, and what is shown of them. */
function forget() {
  image?.drop();
  image = null;
  photos.clear();
  closeResult();
  thumbnails.release();
  for (const id of ["reveal-image-error", "reveal-error", "reveal-said"]) say(id, "");
  for (const id of ["reveal-image-chosen", "reveal-album"]) show(id, false);
  list("reveal-image-notes", []);
  $("reveal-thumbnail").removeAttribute("src");
}

async function takeImage(taken) {
  forget();
  const mine = image = new Upload(taken);
  say("reveal-image-name", taken.name);
  say("reveal-image-size", "Reading …");
  show("reveal-image-drop", false);
  show("reveal-image-chosen");
  try {
    const { facts, files } = await run("look", { photo: mine }, {});
    if (image !== mine) return;
    if (facts.too_large) throw new Error("it has more pixels than any container");
    $("reveal-thumbnail").src = thumbnails.of(new Blob([files.thumbnail], { type: "image/png" }));
    say("reveal-image-size", `${facts.width} × ${facts.height} pixels, ${bytes(taken.size)}`);
    announce(`${taken.name}: ${$("reveal-image-size").textContent}`);
    const lossy = LOSSY[taken.type];
    const warning = `${lossy} alters colours: if this was a container, saving it as ${lossy} has destroyed what was hidden`;
    list("reveal-image-notes", [...facts.notes, ...(lossy ? [warning] : [])]);
  } catch (error) {
    if (image !== mine) return;
    image = null;
    show("reveal-image-chosen", false);
    show("reveal-image-drop");
    say("reveal-image-error", `${taken.name}: ${error.message}`);
  }
}

async function reveal() {
  for (const id of ["reveal-error", "reveal-said"]) say(id, "");
  if (revealing) return;
  if (!image && !photos.items.length) {
    say("reveal-error", "choose an image first");
    $("reveal-image").focus();
    return;
  }
  const mine = revealing = new AbortController();
  closeResult();
  working.start("Sending …");
  busy(true);
  try {
    const report = (job) => working.report(job);
    const choices = { password: $("reveal-password").value || null, thorough: $("reveal-thorough").checked };
    const watch = { signal: mine.signal, report };
    const images = photos.items.map(({ upload }) => upload);
    openResult(await (image ? run("reveal", { image }, choices, watch) : run("reveal_album", { images }, choices, watch)));
  } catch (error) {
    if (mine.signal.aborted) working.cancelled("Cancelled.");
    else say("reveal-error", error.message);
  } finally {
    revealing = null;
    working.stop();
    busy(false);
  }
  if ($("reveal-result").hidden) $("reveal-password").focus();
  else $("reveal-result-title").focus();
}

function busy(is) {
  for (const id of ["reveal-image-step", "reveal-password-step"]) $(id).disabled = is;
  show("reveal-start", !is);
  if (is) $("reveal-cancel").focus();
}

function openResult({ facts, files }) {
  const { preview } = facts;
  const link = $("reveal-download");
  link.href = results.of(files.payload);
  link.download = facts.name ?? (preview.kind === "text" ? "message.txt" : "payload.bin");
  say("reveal-result-title", facts.name ?? (preview.kind === "text" ? "A message" : "A file without a name"));
  say("reveal-result-text", `${bytes(facts.bytes)}${facts.of ? `, put together from ${facts.shares} of ${facts.of} photos` : ""}`);
  say("reveal-text", preview.kind === "text" ? preview.text : "");
  show("reveal-picture", preview.kind === "image");
  if (preview.kind === "image") $("reveal-picture").src = results.of(new Blob([files.payload], { type: preview.type }));
  const hint = preview.kind === "none" ? NO_PREVIEW
    : preview.kind === "text" && !preview.whole ? "This is its beginning; download it to read on." : "";
  say("reveal-preview-hint", hint);
  list("reveal-notes", facts.notes);
  show("reveal-result");
}

function closeResult() {
  show("reveal-result", false);
  say("reveal-text", "");
  $("reveal-picture").removeAttribute("src");
  $("reveal-download").removeAttribute("href");
  results.release();
}

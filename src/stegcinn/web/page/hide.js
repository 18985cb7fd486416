// Hide: a photo, a payload, a password; then the work. room.js has the words for what a photo takes, result.js those after;
// album.js is there for several photos.

import * as album from "./album.js";
import { Upload, run } from "./api.js";
import * as compare from "./compare.js";
import { $, Addresses, Working, about, announce, bytes, dropzone, element, list, options as fill, percent, say, show } from "./dom.js";
import * as result from "./result.js";
import { advice, comesOut, draw, more, takes } from "./room.js";
import { strength } from "./strength.js";

const WEIGH_AFTER_MS = 400; // of quiet, while a message is typed
const STEPS = ["hide-photo-step", "hide-payload-step", "hide-password-step"];
const CHOICES = ["hide-codec", "hide-colors", "hide-size", "hide-format", "hide-channel"]; // what measuring depends on
const AS_FILE = ["hide-codec", "hide-colors", "hide-format", "hide-strip"]; // no choice for what is to come through a channel
const MAP = "Where it can hide";
const thumbnails = new Addresses();
const working = new Working("hide", "Hiding");

let photo = null; // { upload, name, size, jpeg, notes, gone }, gone being the signal that another was chosen
let room = null; // what measuring it found
let payload = null; // { upload, name, size, needed }, needed being what it takes once it is compressed
let file = null; // the payload chosen as a file, kept while a message is typed
let measuring = null;
let charting = null;
let weighing = null; // { timer, gone }
let hiding = null;
let channels = {}; // words by name
let formatChosen = false; // by hand; else a JPEG stays a JPEG, and others become PNG

const choice = (id) => $(id).value || null;
const halve = () => $("hide-size").value === "half";
const format = () => choice("hide-channel") ? "jpg" : $("hide-format").value;
const through = () => choice("hide-channel") && channels[$("hide-channel").value];
const kind = () => document.querySelector('input[name="payload-kind"]:checked').value;

export function setup(found) {
  const words = { ...found.labels, keep: "Keep the photo’s", generate: "Generate new ones" };
  for (const [id, names] of [["hide-codec", found.codecs], ["hide-colors", found.colors]]) {
    fill($(id), [["", "Automatic"], ...names.map((name) => [name, words[name] ?? name])]);
  }
  fill($("hide-format"), found.formats.map((name) => [name, name.toUpperCase()]));

  channels = found.channels;
  fill($("hide-channel"), [["", "as it is (no recompression)"], ...Object.entries(channels).map(([name, words]) => [name, `by ${words}`])]);
  album.setup(weighed);

  dropzone($("hide-photo-step"), $("hide-photo"), takePhotos);
  dropzone($("hide-payload-step"), $("hide-file"), ([taken]) => takeFile(taken), "one file at a time; several go into a ZIP archive");
  for (const id of ["hide-photo-other", "hide-album-add"]) $(id).addEventListener("click", () => $("hide-photo").click());
  $("hide-album-other").addEventListener("click", startOver);
  $("hide-message").addEventListener("input", () => takeMessage(WEIGH_AFTER_MS));
  for (const radio of document.querySelectorAll('input[name="payload-kind"]')) radio.addEventListener("change", changeKind);
  $("hide-format").addEventListener("change", () => { formatChosen = true; });
  $("hide-halve").addEventListener("change", () => setHalve($("hide-halve").checked));
  for (const id of CHOICES) $(id).addEventListener("change", measure);
  $("hide-channel").addEventListener("change", changeChannel);
  $("hide-map-show").addEventListener("click", chart);
  $("hide-password").addEventListener("input", rate);
  $("hide-form").addEventListener("submit", (event) => {
    event.preventDefault();
    hide();
  });
  $("hide-cancel").addEventListener("click", () => hiding?.abort());
  for (const id of ["hide-again", "hide-album-again"]) $(id).addEventListener("click", again);
  $("hide-halved").addEventListener("click", () => {
    setHalve(true);
    hide();
  });
  compare.setup();
  rate();
}

// The photo

/** One is a host by itself; several are an album, as are all that come to them. */
function takePhotos(taken) {
  if (taken.length === 1 && !album.isOpen()) {
    takePhoto(taken[0]);
    return;
  }
  dropPhoto();
  if (through()) {
    list("hide-photo-notes", [`several photos are sent as files: none of them is made for ${through()} now`]);
    $("hide-channel").value = "";
    changeChannel();
  }
  show("hide-photo-drop", false);
  album.add(taken);
}

function startOver() {
  album.close();
  list("hide-photo-notes", []);
  show("hide-photo-drop");
  weighed();
  $("hide-photo").focus();
}

/** Forget the photo, and all that is shown of it. */
function dropPhoto() {
  photo?.gone.abort();
  photo?.upload.drop();
  measuring?.abort();
  closeMap();
  photo = room = null;
  result.close();
  thumbnails.release();
  for (const id of ["hide-photo-error", "hide-error", "hide-said", "hide-photo-size", "hide-capacity", "hide-outcome"]) say(id, "");
  for (const id of ["hide-advice", "hide-room", "hide-map-show", "hide-photo-chosen"]) show(id, false);
  list("hide-photo-notes", []);
}

async function takePhoto(taken) {
  dropPhoto();
  photo = { upload: new Upload(taken), name: taken.name, size: taken.size, jpeg: false, notes: [], gone: new AbortController() };
  if ($("hide-halve").disabled) $("hide-size").value = ""; // only the last one had to be halved
  const mine = photo;
  say("hide-photo-name", taken.name);
  say("hide-photo-size", "Reading …");
  $("hide-thumbnail").removeAttribute("src");
  show("hide-photo-drop", false);
  show("hide-photo-chosen");
  try {
    const { facts, files } = await run("look", { photo: mine.upload }, {}, { signal: mine.gone.signal });
    if (photo !== mine) return;
    $("hide-thumbnail").src = thumbnails.of(new Blob([files.thumbnail], { type: "image/png" }));
    const size = `${facts.width} × ${facts.height} pixels${facts.gray ? ", gray" : ""}, ${about(taken.size)}`;
    say("hide-photo-size", facts.too_large ? `Too large as it is; halved: ${size}` : size);
    Object.assign(mine, { jpeg: facts.jpeg, notes: facts.too_large ? [] : facts.notes }); // halved anew, it has others
    if (!formatChosen) $("hide-format").value = facts.format;
    list("hide-photo-notes", mine.notes);
    show("hide-map-show", !facts.gray && !facts.too_large);
    for (const id of ["hide-halve", "hide-size"]) $(id).disabled = facts.too_large;
    if (facts.too_large) $("hide-size").value = "half";
    await measure();
  } catch (error) {
    if (photo !== mine) return;
    photo = null;
    show("hide-photo-chosen", false);
    show("hide-photo-drop");
    say("hide-photo-error", `${taken.name}: ${error.message}`);
    weighed();
  }
}

function changeChannel() {
  for (const id of AS_FILE) $(id).disabled = Boolean(through());
  show("hide-channel-hint", Boolean(through()));
}

/** Codec, colours and file format, which are not free for what is to come through a channel. */
function chosen() {
  const channel = choice("hide-channel");
  return channel ? { channel, format: format() } : { codec: choice("hide-codec"), colors: choice("hide-colors"), format: format() };
}

function setHalve(is) {
  $("hide-size").value = is ? "half" : "";
  measure();
}

async function measure() {
  $("hide-halve").checked = halve();
  if (!photo) return;
  measuring?.abort();
  const mine = measuring = new AbortController();
  room = null;
  say("hide-capacity", "Measuring how much it takes …");
  say("hide-outcome", "");
  show("hide-room", false);
  weighed();
  announce("Measuring how much the photo takes.");
  try {
    const [made, way] = [format(), through()];
    const choices = { ...chosen(), halve: halve() };
    const report = (job) => {
      const share = job.progress > 0 ? ` ${percent(job.progress)}` : "";
      $("hide-capacity").textContent = `Measuring how much it takes …${share}`;
    };
    const { facts } = await run("measure", { photo: photo.upload }, choices, { signal: mine.signal, report });
    if (measuring !== mine) return;
    room = facts;
    say("hide-capacity", takes(room, way));
    say("hide-outcome", room.bytes ? comesOut(room, photo, made, halve(), way) : "");
    say("hide-advice-text", advice(room, photo, made));
    $("hide-advice").classList.toggle("amber", Boolean(room.evidence));
    show("hide-advice", Boolean(room.evidence) || halve());
    list("hide-photo-notes", [...new Set([...photo.notes, ...room.notes])]);
    more(room);
    show("hide-room", room.bytes > 0);
    weighed();
    announce(["hide-capacity", "hide-advice-text", "hide-outcome", "hide-fit-text"].map((id) => $(id).textContent).join(" "));
  } catch (error) {
    if (measuring !== mine || error.name === "AbortError") return;
    say("hide-capacity", error.message);
    say("hide-advice-text", "");
    show("hide-advice", halve());
    announce(error.message);
  }
}

/** Show where the photo can hide, or the photo again. */
async function chart() {
  const shown = charting !== null;
  closeMap();
  if (shown) return;
  const mine = charting = new AbortController();
  const button = $("hide-map-show");
  button.setAttribute("aria-pressed", "true");
  const report = (job) => { button.textContent = `Looking … ${job.progress > 0 ? percent(job.progress) : ""}`; };
  try {
    const { files } = await run("chart", { photo: photo.upload }, {}, { signal: mine.signal, report });
    if (charting !== mine) return;
    $("hide-map").src = thumbnails.of(new Blob([files.map], { type: "image/png" }));
    show("hide-map");
    show("hide-map-hint");
    button.textContent = MAP;
    announce("The map is shown over the photo.");
  } catch (error) {
    if (charting !== mine) return;
    closeMap();
    say("hide-photo-error", error.message);
  }
}

function closeMap() {
  charting?.abort();
  charting = null;
  for (const id of ["hide-map", "hide-map-hint"]) show(id, false);
  $("hide-map").removeAttribute("src");
  $("hide-map-show").textContent = MAP;
  $("hide-map-show").setAttribute("aria-pressed", "false");
}

// The payload

function changeKind() {
  show("hide-file-part", kind() === "file");
  show("hide-message-part", kind() === "message");
  if (kind() === "message") takeMessage(0);
  else if (file) takeFile(file);
  else setPayload(null);
}

function takeFile(taken) {
  file = taken;
  if (kind() !== "file") {
    document.querySelector('input[name="payload-kind"][value="file"]').checked = true;
    show("hide-file-part");
    show("hide-message-part", false);
  }
  $("hide-file-text").replaceChildren(element("strong", taken.name));
  say("hide-file-name", `${bytes(taken.size)}. Drop another instead.`);
  setPayload({ upload: new Upload(taken), name: taken.name, size: taken.size, needed: null }, 0);
}

function takeMessage(delay) {
  const blob = new Blob([$("hide-message").value]);
  setPayload(blob.size ? { upload: new Upload(blob), name: null, size: blob.size, needed: null } : null, delay);
}

function setPayload(next, delay = 0) {
  clearTimeout(weighing?.timer);
  weighing?.gone.abort();
  payload?.upload.drop();
  payload = next;
  for (const id of ["hide-error", "hide-said"]) say(id, "");
  weighed();
  if (!next) return;
  const gone = new AbortController();
  weighing = { gone, timer: setTimeout(() => weigh(next, gone.signal), delay) };
}

async function weigh(mine, signal) {
  try {
    const { facts } = await run("weigh", { payload: mine.upload }, {}, { signal });
    mine.needed = facts.needed;
    if (payload !== mine) return;
    weighed();
    if (room) announce($("hide-fit-text").textContent); // else when the photo is measured
  } catch (error) {
    if (payload === mine) say("hide-error", error.message);
  }
}

/** Say whether the payload fits; what cannot fit cannot be hidden. */
function weighed() {
  if (album.isOpen()) {
    album.draw(payload);
    $("hide-start").disabled = false;
    return;
  }
  const { fits, known } = draw(room, payload, { photo, format: format(), through: through() });
  $("hide-start").disabled = known && !fits;
}

// The password

function rate() {
  const rated = strength($("hide-password").value);
  $("hide-strength-bars").dataset.score = rated ? rated.score : "none";
  const text = rated?.text
    ?? "Without one, anyone with stegcinn can read what is hidden. Four or more unrelated words make a good one.";
  if ($("hide-strength").textContent !== text) $("hide-strength").textContent = text; // not read anew with every letter
}

// The work

async function hide() {
  for (const id of ["hide-error", "hide-said"]) say(id, "");
  if (hiding) return;
  if (!photo && !album.isOpen()) return missing("choose a photo first", "hide-photo");
  if (!payload) {
    return kind() === "file" ? missing("choose a file to hide, or type a message", "hide-file")
      : missing("type a message to hide", "hide-message");
  }
  const mine = hiding = new AbortController();
  const job = { payload, format: format(), halved: halve(), through: through() };
  const password = $("hide-password").value || null;
  const choices = { ...chosen(), name: payload.name, password, halve: job.halved, strip_metadata: $("hide-strip").checked && !job.through };
  result.close();
  album.closeResult();
  working.start("Sending …");
  busy(true);
  try {
    const watch = { signal: mine.signal, report: (told) => working.report(told) };
    // Neither photos nor choices can change meanwhile.
    if (album.isOpen()) album.openResult(payload, await album.hide(payload, password, watch));
    else result.open(job, room, await run("hide", { host: photo.upload, payload: payload.upload }, choices, watch));
  } catch (error) {
    if (mine.signal.aborted) working.cancelled("Cancelled: nothing was kept.");
    else say("hide-error", error.message);
  } finally {
    hiding = null;
    working.stop();
    busy(false);
  }
  // Last, as a control that is disabled or hidden cannot be focused.
  const done = ["hide-result", "hide-album-result"].find((id) => !$(id).hidden);
  $(done ? `${done}-title` : "hide-start").focus();
}

function missing(text, id) {
  say("hide-error", text);
  $(id).focus();
}

function busy(is) {
  for (const id of STEPS) $(id).disabled = is;
  show("hide-start", !is);
  if (is) $("hide-cancel").focus();
}

function again() {
  result.close();
  album.closeResult();
  file = null;
  setPayload(null);
  $("hide-message").value = "";
  $("hide-password").value = "";
  $("hide-file-text").replaceChildren("Drop any file here, or ", Object.assign(element("span", "choose one"), { className: "link" }));
  say("hide-file-name", "");
  rate();
  scrollTo({ top: 0 });
  $(album.isOpen() ? "hide-album-add" : "hide-photo-other").focus();
}

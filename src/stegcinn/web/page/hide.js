// Hide: a photo, a payload, a password; then the work; then what came of it.

import { Upload, run } from "./api.js";
import * as compare from "./compare.js";
import { $, Addresses, Working, bytes, dropzone, element, list, options as fill, percent, say, show } from "./dom.js";
import { strength } from "./strength.js";

const WEIGH_AFTER_MS = 400; // of quiet, while a message is typed
const STEPS = ["hide-photo-step", "hide-payload-step", "hide-password-step"];
const thumbnails = new Addresses();
const results = new Addresses();
const working = new Working("hide", "Hiding");

let photo = null; // { upload, name, gone }, gone being the signal that another was chosen
let room = null; // what measuring it found
let payload = null; // { upload, name, size, needed }, needed being what it takes once it is compressed
let file = null; // the payload chosen as a file, kept while a message is typed
let measuring = null;
let weighing = null; // { timer, gone }
let hiding = null;
let formatChosen = false; // by hand; else a JPEG stays a JPEG, and others become PNG

const choice = (id) => $(id).value || null;
const halve = () => $("hide-size").value === "half";
const kind = () => document.querySelector('input[name="payload-kind"]:checked').value;

export function setup(found) {
  const words = { ...found.labels, keep: "Keep the photo’s", generate: "Generate new ones" };
  for (const [id, names] of [["hide-codec", found.codecs], ["hide-colors", found.colors]]) {
    fill($(id), [["", "Automatic"], ...names.map((name) => [name, words[name] ?? name])]);
  }
  fill($("hide-format"), found.formats.map((name) => [name, name.toUpperCase()]));

  dropzone($("hide-photo-step"), $("hide-photo"), takePhoto);
  dropzone($("hide-payload-step"), $("hide-file"), takeFile);
  $("hide-photo-other").addEventListener("click", () => $("hide-photo").click());
  $("hide-message").addEventListener("input", () => takeMessage(WEIGH_AFTER_MS));
  for (const radio of document.querySelectorAll('input[name="payload-kind"]')) radio.addEventListener("change", changeKind);
  for (const id of ["hide-codec", "hide-colors", "hide-size", "hide-format"]) $(id).addEventListener("change", measure);
  $("hide-format").addEventListener("change", () => { formatChosen = true; });
  $("hide-password").addEventListener("input", rate);
  $("hide-form").addEventListener("submit", (event) => {
    event.preventDefault();
    hide();
  });
  $("hide-cancel").addEventListener("click", () => hiding?.abort());
  $("hide-again").addEventListener("click", again);
  compare.setup();
  rate();
}

// The photo

async function takePhoto(taken) {
  photo?.gone.abort();
  photo?.upload.drop();
  measuring?.abort();
  photo = { upload: new Upload(taken), name: taken.name, gone: new AbortController() };
  room = null;
  closeResult();
  thumbnails.release();
  for (const id of ["hide-photo-error", "hide-error", "hide-photo-size", "hide-capacity"]) say(id, "");
  list("hide-photo-notes", []);
  const mine = photo;
  say("hide-photo-name", taken.name);
  say("hide-photo-size", "Reading …");
  $("hide-thumbnail").removeAttribute("src");
  show("hide-photo-drop", false);
  show("hide-photo-chosen");
  try {
    const seen = await run("look", { photo: mine.upload }, {}, { signal: mine.gone.signal });
    if (photo !== mine) return;
    const png = new Blob([seen.files.thumbnail], { type: "image/png" });
    $("hide-thumbnail").src = thumbnails.of(png);
    say("hide-photo-size", `${seen.facts.width} × ${seen.facts.height} pixels${seen.facts.gray ? ", gray" : ""}`);
    mine.notes = seen.facts.notes;
    if (!formatChosen) $("hide-format").value = seen.facts.jpeg ? "jpg" : "png";
    list("hide-photo-notes", mine.notes);
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

async function measure() {
  if (!photo) return;
  measuring?.abort();
  const mine = measuring = new AbortController();
  room = null;
  say("hide-capacity", "Measuring how much it takes …");
  $("hide-capacity").ariaBusy = "true"; // no screen reader should read every percentage
  weighed();
  try {
    const choices = { codec: choice("hide-codec"), colors: choice("hide-colors"), halve: halve(), format: $("hide-format").value };
    const report = (job) => {
      const share = job.progress > 0 ? ` ${percent(job.progress)}` : "";
      $("hide-capacity").textContent = `Measuring how much it takes …${share}`;
    };
    const { facts } = await run("measure", { photo: photo.upload }, choices, { signal: mine.signal, report });
    if (measuring !== mine) return;
    room = facts;
    $("hide-capacity").ariaBusy = "false";
    const discreet = smaller() ? `; up to ${bytes(smaller())} in small changes` : "";
    const safe = room.evidence ? "" : `, ${bytes(room.safe_bytes)} of them quiet against the attackers measured`;
    say("hide-capacity", room.bytes ? `Takes ${bytes(room.bytes)} (${room.bpp.toFixed(2)} bits per pixel)${discreet}${safe}`
      : "Takes nothing; try a larger or more colourful photo.");
    list("hide-photo-notes", [...photo.notes, ...(room.evidence ? [room.evidence] : [])]);
  } catch (error) {
    if (measuring !== mine || error.name === "AbortError") return;
    $("hide-capacity").ariaBusy = "false";
    say("hide-capacity", error.message);
  }
  weighed();
}

/** Bytes that smaller changes take than those of the codec that takes the most. */
function smaller() {
  return Math.max(0, ...Object.entries(room.per_codec).filter(([name]) => name !== room.codec).map(([, size]) => size));
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
  say("hide-error", "");
  weighed();
  if (!next) return;
  const gone = new AbortController();
  weighing = { gone, timer: setTimeout(() => weigh(next, gone.signal), delay) };
}

async function weigh(mine, signal) {
  try {
    const { facts } = await run("weigh", { payload: mine.upload }, {}, { signal });
    mine.needed = facts.needed;
    if (payload === mine) weighed();
  } catch (error) {
    if (payload === mine) say("hide-error", error.message);
  }
}

/** Say whether the payload fits. It surely does if it would uncompressed; else its weight decides. */
function weighed() {
  const needed = payload?.needed ?? payload?.size;
  const known = payload && room && (payload.needed !== null || payload.size <= room.bytes);
  show("hide-fit", Boolean(payload));
  if (!payload) return;
  const fits = known && needed <= room.bytes;
  $("hide-fit").dataset.fits = known ? String(fits) : "unknown";
  $("hide-fit-bar").style.width = `${known && room.bytes ? Math.min(100, 100 * needed / room.bytes) : known ? 100 : 0}%`;
  const size = payload.needed !== null && payload.needed < payload.size
    ? `${bytes(payload.size)}, ${bytes(needed)} compressed` : bytes(payload.size);
  $("hide-fit-text").textContent = !known ? (room ? `${size}. Compressing it …` : `${size}.${photo ? "" : " Choose a photo to see whether it fits."}`)
    : fits ? `${fitting(needed)}: ${size}, ${percent(needed / room.bytes)} of what the photo takes${judged(needed)}.`
      : `Does not fit: ${size}, and the photo takes ${bytes(room.bytes)}${$("hide-format").value === "jpg" ? " as JPEG; a PNG takes more" : ""}.`;
}

/** What is hidden in all: the payload's name, too, unless it would be too much. */
function named(needed) {
  return needed + new Blob([payload.name ?? ""]).size;
}

function fitting(needed) {
  return !smaller() ? "Fits" : named(needed) <= smaller() ? "Fits in small changes" : "Fits, in more than small changes";
}

/** What an attacker makes of it, unless that is told of the photo already. */
function judged(needed) {
  if (room.evidence) return "";
  return `; ${(room.judgements.find((each) => named(needed) <= each.up_to) ?? room.judgements.at(-1)).reason}`;
}

// The password

function rate() {
  const rated = strength($("hide-password").value);
  $("hide-strength-bars").dataset.score = rated ? rated.score : "none";
  $("hide-strength").textContent = rated?.text
    ?? "Without one, anyone with stegcinn can read what is hidden. Four or more unrelated words make a good one.";
}

// The work

async function hide() {
  say("hide-error", "");
  if (hiding) return;
  if (!photo) return missing("choose a photo first", "hide-photo");
  if (!payload) {
    return kind() === "file" ? missing("choose a file to hide, or type a message", "hide-file")
      : missing("type a message to hide", "hide-message");
  }
  const mine = hiding = new AbortController();
  const job = { payload, name: photo.name, format: $("hide-format").value };
  const choices = {
    name: payload.name, password: $("hide-password").value || null,
    codec: choice("hide-codec"), colors: choice("hide-colors"), halve: halve(), format: job.format,
  };
  closeResult();
  working.start("Sending …");
  busy(true);
  try {
    const report = (told) => working.report(told);
    const found = await run("hide", { host: photo.upload, payload: payload.upload }, choices, { signal: mine.signal, report });
    openResult(job, found);
  } catch (error) {
    say("hide-error", mine.signal.aborted ? "cancelled: nothing was kept" : error.message);
  } finally {
    hiding = null;
    working.stop();
    busy(false);
  }
  // Last, as a control that is disabled or hidden cannot be focused.
  if ($("hide-result").hidden) $("hide-start").focus();
  else $("hide-result-title").focus();
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

// The result

function openResult(job, { facts, files }) {
  const link = $("hide-download");
  link.href = results.of(files.container);
  // Under the host's name: one that says what was done to it would give it away.
  link.download = `${job.name.replace(/\.[^.]*$/, "") || "photo"}.${job.format}`;
  say("hide-result-text", `${link.download}, ${bytes(files.container.size)}. Send it as it is; keep the original to yourself.`);
  compare.open(files, facts);
  // Both may have come in meanwhile; neither photo nor choices could change.
  const all = room?.per_codec[facts.codec];
  const used = all && job.payload.needed !== null
    ? `${percent(job.payload.needed / all)} of ${bytes(all)} with codec ${facts.codec}` : "not measured";
  const rows = [
    ["Hidden", `${bytes(facts.bytes)}, ${facts.bpp.toPrecision(3)} bits per pixel`],
    ["Capacity used", used],
    ["Gray-scale", facts.same_gray === 1 ? "identical at every pixel" : `${percent(facts.same_gray)} of pixels identical`],
    [job.format === "jpg" ? "Colour coefficients changed" : "Pixels changed", percent(facts.changed_pixels)],
    ["Bits right at once", `${percent(facts.raw_accuracy)}; error correction did the rest`],
    ["Judgement", facts.judgement.verdict],
    ["Codec, colours", `${facts.codec}, ${facts.colors}`],
  ];
  if (facts.raw_accuracy === 1) rows[4][1] = "100 %";
  $("hide-facts").replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("div");
    row.append(element("dt", name), element("dd", value));
    return row;
  }));
  list("hide-notes", facts.notes);
  show("hide-result");
}

function closeResult() {
  show("hide-result", false);
  compare.close();
  results.release();
  $("hide-download").removeAttribute("href");
}

function again() {
  closeResult();
  file = null;
  setPayload(null);
  $("hide-message").value = "";
  $("hide-password").value = "";
  $("hide-file-text").replaceChildren("Drop any file here, or ", Object.assign(element("span", "choose one"), { className: "link" }));
  say("hide-file-name", "");
  rate();
  scrollTo({ top: 0 });
  $("hide-photo-other").focus();
}

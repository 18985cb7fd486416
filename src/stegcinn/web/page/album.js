// Several photos on the Hide tab: what they take together, and what came of hiding in them.

import { run } from "./api.js";
import { $, Addresses, about, announce, bytes, element, facts as rows, list, say, show } from "./dom.js";
import { Photos } from "./photos.js";
import { sentence } from "./room.js";

const FILE_NAME = "photos-hidden.zip"; // no name of theirs, so that nobody takes it for the originals
const HEADER = 12; // bytes that a part of a payload has besides, about
const WORDS = { safe: "Quiet, photo by photo.", noticeable: "May be noticed.", provable: "Can be proved." };
const photos = new Photos("hide");
const addresses = new Addresses();
let measuring = null;
let onRoom = () => {};

export const isOpen = () => photos.items.length > 0;

/** `changed` is called when more is known of what the photos take. */
export function setup(changed) {
  onRoom = changed;
  $("hide-spare").addEventListener("change", () => {
    told();
    onRoom();
  });
}

export async function add(files) {
  if (!photos.add(files)) return;
  arrange(true);
  closeResult();
  told();
  onRoom();
  measuring?.abort();
  const mine = measuring = new AbortController();
  announce("Measuring how much the photos take.");
  for (const item of photos.items.filter(({ room }) => !room)) {
    const room = await survey(item, mine.signal);
    if (measuring !== mine) return;
    item.room = room;
    told();
    onRoom();
  }
  announce([$("hide-album-room").textContent, $("hide-fit-text").textContent].join(" "));
}

async function survey(item, signal) {
  try {
    const { facts, files } = await run("survey", { photo: item.upload }, {}, { signal });
    photos.tell(item, ofOne(facts), files.thumbnail);
    return facts;
  } catch (error) {
    if (signal.aborted) return null;
    photos.tell(item, `left out: ${error.message}`);
    return { safe_bytes: 0, error: error.message };
  }
}

function ofOne(room) {
  if (!room.takes) return "takes nothing";
  if (room.evidence) return "any change can be proved";
  return room.safe_bytes ? `${bytes(room.safe_bytes)} quiet` : "nothing quiet";
}

export function close() {
  measuring?.abort();
  measuring = null;
  photos.clear();
  arrange(false);
  closeResult();
}

/** What is for one photo alone is not shown with several. */
function arrange(open) {
  show("hide-album", open);
  for (const part of document.querySelectorAll("[data-one]")) part.hidden = open;
}

/** Bytes that stay quiet in all photos, whichever are lost of those that may be; null while that is not known. */
function room() {
  if (photos.items.some((item) => !item.room)) return null;
  const each = photos.items.map((item) => Math.max(0, item.room.safe_bytes - HEADER)).filter((size) => size > 0).sort((a, b) => a - b);
  const spare = $("hide-spare").value;
  const lost = spare.endsWith("%") ? Math.ceil(each.length * parseFloat(spare) / 100) : Number(spare);
  return each.slice(0, Math.max(0, each.length - lost)).reduce((sum, size) => sum + size, 0);
}

function told() {
  const known = photos.items.filter((item) => item.room).length;
  const quiet = room();
  say("hide-album-room", quiet === null ? `Measuring how much they take … ${known} of ${photos.items.length}`
    : quiet ? `Together they take about ${bytes(quiet)} that stay quiet, photo by photo.`
      : "Nothing stays quiet in these photos: any payload may be noticed.");
}

/** Say whether a payload fits. */
export function draw(payload) {
  for (const id of ["hide-zones", "hide-legend"]) show(id, false);
  const quiet = room();
  const known = payload && quiet !== null && payload.needed !== null;
  show("hide-fit", Boolean(payload));
  $("hide-fit").dataset.fits = known && payload.needed <= quiet ? "true" : "unknown";
  if (!payload) return;
  const size = payload.needed !== null && payload.needed < payload.size
    ? `${bytes(payload.size)}, ${bytes(payload.needed)} compressed` : bytes(payload.size);
  $("hide-fit-text").textContent = !known ? `${size}.`
    : payload.needed <= quiet ? `Fits: ${size}, of about ${bytes(quiet)} that stay quiet.`
      : `${size} are more than the about ${bytes(quiet)} that stay quiet: if they fit at all, they may be noticed.`;
}

/** Have it done; what comes back goes to `openResult`. */
export function hide(payload, password, watch) {
  const hosts = photos.items.filter((item) => !item.room?.error);
  const choices = {
    names: hosts.map(({ file }) => file.name), name: payload.name, password, spare: $("hide-spare").value,
    strip_metadata: $("hide-strip").checked,
  };
  return run("hide_album", { hosts: hosts.map(({ upload }) => upload), payload: payload.upload }, choices, watch);
}

export function openResult(payload, { facts, files }) {
  const used = facts.photos.filter((photo) => photo.bytes);
  const link = $("hide-album-download");
  addresses.release();
  link.href = addresses.of(files.album);
  link.download = FILE_NAME;
  say("hide-album-result-text", `${FILE_NAME}, about ${about(files.album.size)}: ${facts.photos.length} photos, under the names they had. `
    + "Unpack it and send them as files; keep the originals to yourself.");
  const { verdict, reason } = facts.judgement;
  $("hide-album-verdict").dataset.verdict = verdict;
  $("hide-album-verdict-word").textContent = WORDS[verdict];
  $("hide-album-verdict-reason").textContent = sentence(reason);
  const spare = facts.spare ? `any ${facts.spare} of the ${used.length} may be missing` : `none: all ${used.length} are needed`;
  $("hide-album-facts").replaceChildren(...rows([
    ["Hidden", `${payload.name ? `${payload.name}, ` : ""}${bytes(facts.bytes)}`],
    ["Encrypted", facts.encrypted ? "with your password" : "no: anyone with stegcinn can read it"],
    ["Photos used", `${used.length} of ${facts.photos.length}`],
    ["Spare", used.length > 1 ? spare : "none: it is all in one photo"],
  ]));
  $("hide-album-table").replaceChildren(...facts.photos.map((photo) => {
    const row = element("tr");
    row.append(element("td", photo.name), element("td", photo.bytes ? bytes(photo.bytes) : "nothing, as it was"));
    return row;
  }));
  list("hide-album-notes", facts.notes);
  show("hide-album-result");
}

export function closeResult() {
  show("hide-album-result", false);
  addresses.release();
  $("hide-album-download").removeAttribute("href");
}

// What a photo takes, in words and on a bar: how much, what an attacker makes of it, what comes out.

import { $, about, bytes, element, facts, percent, show } from "./dom.js";

const CHANNEL_ZONE = "comes through up to";
const ZONES = { safe: "quiet up to", noticeable: "may be noticed up to", provable: "any change can be proved, up to" };

/** A container's name says nothing of the host's, so that nobody takes one for the other. */
export const fileName = (format) => `photo-hidden.${format}`;

export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** `through`: the words for the channel that it is sent by, if so. */
export function takes(room, through) {
  if (through) {
    return room.bytes ? `Up to ${bytes(room.bytes)} come through ${through}.`
      : `Nothing in it comes through ${through}; try a larger or more colourful photo.`;
  }
  if (!room.bytes) return "Takes nothing; try a larger or more colourful photo.";
  const all = `Takes up to ${bytes(room.bytes)}`;
  if (room.evidence) return `${all}, but any change can be proved.`;
  return `${all}, ${room.safe_bytes ? bytes(room.safe_bytes) : "none"} of them quiet against the attackers measured.`;
}

/** `host`: { jpeg, size }, whether it is a JPEG file, and of how many bytes. */
export function comesOut(room, host, format, halved, through) {
  if (through) return `A JPEG of ${room.width} × ${room.height} pixels comes out, as small as it would arrive: ${fileName(format)}, about ${about(room.file_bytes)}.`;
  const what = format !== "jpg" ? `A ${format.toUpperCase()} comes out, which loses nothing`
    : host.jpeg && !halved ? "A JPEG comes out, the file that it was but for some colours" : "A JPEG comes out, made of the photo";
  const [size, was] = [about(room.file_bytes), about(host.size)];
  return `${what}: ${fileName(format)}, about ${size}${size === was ? ", as the photo has" : ` (the photo has ${was})`}.`;
}

/** What to do about a photo that proves every change. */
export function advice(room, host, format) {
  if (!room.evidence) return "";
  const other = host.jpeg && format !== "jpg" ? " Or let it stay a JPEG: choose JPG as File format under Advanced." : "";
  return sentence(room.evidence) + other;
}

export function more(room) {
  const rows = room.routes.map((route) => [`Codec ${route.codec}`, `${bytes(route.bytes)}${route.evidence ? "" : `, ${bytes(route.safe_bytes)} quiet`}`]);
  $("hide-room-facts").replaceChildren(...facts([["In all", `${room.bpp.toFixed(2)} bits per pixel`], ...rows]));
}

/** What is hidden in all: the payload's name, too, unless it would be too much. */
const named = (payload, needed) => needed + new Blob([payload.name ?? ""]).size;

const judged = (room, size) => room.judgements.find((each) => size <= each.up_to) ?? room.judgements.at(-1);

/** Along the bar by the root of the size, or the first zone would hardly be seen. */
const place = (room, size) => Math.sqrt(Math.min(1, size / room.bytes));

/** Draw the bar and say whether the payload fits. Returns { fits, known }. */
export function draw(room, payload, { photo, format, through }) {
  show("hide-fit", Boolean(payload || room?.bytes));
  const needed = payload?.needed ?? payload?.size;
  // It surely fits if it would uncompressed; else its weight decides.
  const known = Boolean(payload && room && (payload.needed !== null || payload.size <= room.bytes));
  const fits = known && needed <= room.bytes;
  $("hide-fit").dataset.fits = known ? String(fits) : "unknown";
  zones(room, known ? needed : null, through);
  $("hide-fit-text").textContent = payload ? words(room, payload, { needed, known, fits, photo, format, through }) : "";
  return { fits, known };
}

function zones(room, needed, through) {
  show("hide-zones", Boolean(room?.bytes));
  show("hide-legend", Boolean(room?.bytes));
  if (!room?.bytes) return;
  let before = 0;
  const parts = room.judgements.map(({ up_to: size, verdict }) => {
    const part = element("i");
    part.dataset.verdict = verdict;
    part.style.flexGrow = place(room, size) - before;
    before = place(room, size);
    return part;
  });
  if (needed !== null) {
    const needle = element("b");
    needle.style.left = `${100 * place(room, needed)}%`;
    parts.push(needle);
  }
  $("hide-zones").replaceChildren(...parts);
  $("hide-legend").replaceChildren(...room.judgements.map(({ up_to: size, verdict }) => {
    const line = element("li", `${through ? CHANNEL_ZONE : ZONES[verdict]} ${bytes(size)}`);
    line.dataset.verdict = verdict;
    return line;
  }));
}

function words(room, payload, { needed, known, fits, photo, format, through }) {
  const size = payload.needed !== null && needed < payload.size
    ? `${bytes(payload.size)}, ${bytes(needed)} compressed` : bytes(payload.size);
  if (!known) return room ? `${size}. Compressing it …` : `${size}.${photo ? "" : " Choose a photo to see whether it fits."}`;
  if (!fits && through) return `Does not fit: ${size}, and ${bytes(room.bytes)} come through ${through}.`;
  if (!fits) return `Does not fit: ${size}, and the photo takes ${bytes(room.bytes)}${format === "jpg" ? " as JPEG; a PNG takes more (File format under Advanced)" : ""}.`;
  const share = `Fits: ${size}, ${percent(needed / room.bytes)} of what ${through ? "comes through" : "the photo takes"}.`;
  return room.evidence ? share : `${share} ${sentence(judged(room, named(payload, needed)).reason)}`; // that is told of the photo
}

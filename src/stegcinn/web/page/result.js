// What came of hiding: the file, what there is to know of it, and how it looks.

import * as compare from "./compare.js";
import { $, Addresses, about, bytes, facts as rows, list, percent, say, show } from "./dom.js";
import { fileName, sentence } from "./room.js";

const WORDS = { safe: "Quiet.", noticeable: "May be noticed.", provable: "Can be proved." };
const addresses = new Addresses();

/** `job`: { payload, format, halved, through }; `room`: what measuring the photo found, if it has ended. */
export function open(job, room, { facts, files }) {
  const { verdict, reason } = facts.judgement;
  const link = $("hide-download");
  link.href = addresses.of(files.container);
  link.download = fileName(job.format);
  const how = job.through ? `Send it as a photo by ${job.through}` : "Send it as it is";
  say("hide-result-text", `${link.download}, ${about(files.container.size)}. ${how}; keep the original to yourself.`);
  $("hide-verdict").dataset.verdict = verdict;
  $("hide-verdict-word").textContent = WORDS[verdict];
  $("hide-verdict-reason").textContent = sentence(reason);
  show("hide-halved", verdict === "provable" && !job.halved);
  $("hide-facts").replaceChildren(...rows([
    ["Hidden", `${job.payload.name ? `${job.payload.name}, ` : ""}${bytes(facts.bytes)}`],
    ["Encrypted", facts.encrypted ? "with your password" : "no: anyone with stegcinn can read it"],
    ["Size", `${facts.width} × ${facts.height} pixels`],
    ...(facts.survival ? [["On the way", sentence(facts.survival)]] : []),
  ]));
  compare.open(files, { ...facts, jpeg: job.format === "jpg" });
  const all = room?.per_codec[facts.codec]; // may not be known yet
  const used = all && job.payload.needed !== null
    ? `${percent(job.payload.needed / all)} of ${bytes(all)} with codec ${facts.codec}` : "not measured";
  $("hide-more-facts").replaceChildren(...rows([
    ["Bits per pixel", facts.bpp.toPrecision(3)],
    ["Capacity used", used],
    ["Gray-scale", facts.same_gray === 1 ? "identical at every pixel" : `${percent(facts.same_gray)} of pixels identical`],
    [job.format === "jpg" ? "Colour coefficients changed" : "Pixels changed", percent(facts.changed_pixels)],
    ["Bits right at once", facts.raw_accuracy === 1 ? "100 %" : `${percent(facts.raw_accuracy)}; error correction did the rest`],
    ["Disturbance", facts.disturbance === null ? "not known with this codec" : `${facts.disturbance.toFixed(1)}; up to 3.0 is quiet`],
    ["Codec, colours", `${facts.codec}, ${facts.colors}`],
  ]));
  list("hide-notes", facts.notes);
  show("hide-result");
}

export function close() {
  show("hide-result", false);
  compare.close();
  addresses.release();
  $("hide-download").removeAttribute("href");
}

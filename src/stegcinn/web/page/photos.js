// Several photos as they are chosen, on either tab: a list of them, with a line each.

import { Upload, limits } from "./api.js";
import { $, Addresses, about, element, say } from "./dom.js";

const same = (a, b) => a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;

export class Photos {
  #prefix;
  #thumbnails = new Addresses();
  items = []; // { file, upload, line, ...what is found out }

  constructor(prefix) {
    this.#prefix = prefix;
  }

  get size() {
    return this.items.reduce((sum, { file }) => sum + file.size, 0);
  }

  /** Take those that are not there yet. Returns them, or null, and says why, if they would be too many. */
  add(files) {
    const fresh = [...files].filter((file) => !this.items.some((item) => same(item.file, file)));
    const size = fresh.reduce((sum, file) => sum + file.size, this.size);
    const { max_album: most, max_album_bytes: mostBytes } = limits();
    const tooMany = this.items.length + fresh.length > most ? `${most} photos at once at most`
      : size > mostBytes ? `photos of ${about(mostBytes)} in all at most` : "";
    say(`${this.#prefix}-album-error`, tooMany && `${tooMany}: use stegcinn in a shell for more`);
    if (tooMany) return null;
    const added = fresh.map((file) => {
      const line = element("li");
      line.append(element("img"), Object.assign(element("span", file.name), { className: "name" }), Object.assign(element("span", about(file.size)), { className: "hint" }));
      line.firstChild.alt = "";
      return { file, upload: new Upload(file), line };
    });
    this.items.push(...added);
    $(`${this.#prefix}-album-list`).replaceChildren(...this.items.map(({ line }) => line));
    say(`${this.#prefix}-album-title`, `${this.items.length} photos, ${about(this.size)}`);
    return added;
  }

  /** What there is to tell of one. */
  tell(item, text, thumbnail = null) {
    item.line.lastChild.textContent = text;
    if (thumbnail) item.line.firstChild.src = this.#thumbnails.of(new Blob([thumbnail], { type: "image/png" }));
  }

  clear() {
    for (const { upload } of this.items) upload.drop();
    this.items = [];
    this.#thumbnails.release();
    $(`${this.#prefix}-album-list`).replaceChildren();
    say(`${this.#prefix}-album-error`, "");
  }
}

// The server's API: uploads, jobs, files. The token is what follows # in the address; it leaves in a header only.

const POLL_MS = [100, 150, 250, 400];
const token = location.hash.slice(1);

/** What went wrong, in one line. */
export class Trouble extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

async function request(path, { method = "GET", body, type, signal, keepalive } = {}) {
  const headers = { Authorization: `Bearer ${token}` };
  if (type) headers["Content-Type"] = type;
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { method, headers, body, signal, keepalive, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("the server does not answer: is stegcinn serve still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null);
  throw new Trouble(told?.error?.message ?? `the server answered with status ${answer.status}`, answer.status);
}

export const options = async () => (await request("options")).json();

let known = { max_upload: Infinity, max_album: Infinity, max_album_bytes: Infinity };
export const setLimits = (found) => { known = found; };
export const limits = () => known;

/** A file for the server, sent when it is first needed, and again should the server have forgotten it. */
export class Upload {
  #id = null;

  constructor(blob) {
    this.blob = blob;
  }

  async id() {
    // Checked here, too: a server that stops reading halfway looks like one that is gone.
    if (this.blob.size > known.max_upload) {
      throw new Trouble(`the file is larger than ${known.max_upload} bytes: use the shell for it`);
    }
    this.#id ??= this.#send();
    try {
      return await this.#id;
    } catch (error) {
      this.#id = null;
      throw error;
    }
  }

  async #send() {
    let body;
    try {
      body = await this.blob.arrayBuffer();
    } catch {
      throw new Trouble("the file cannot be read; it may have been moved, or be a folder");
    }
    const answer = await request("uploads", { method: "POST", body, type: "application/octet-stream" });
    const { id } = await answer.json();
    sent.add(`uploads/${id}`);
    return id;
  }

  forget() {
    this.#id = null;
  }

  async drop() {
    const id = await this.#id?.catch(() => null);
    this.#id = null;
    if (id) await forget(`uploads/${id}`);
  }
}

const sent = new Set(); // names of uploads and jobs that the server keeps for us

/** Have a job done, of uploads or lists of them by field; return it with its files. `signal` cancels it, on the server too. */
export async function run(kind, uploads, choices, { signal, report = () => {} } = {}) {
  let job = await order(kind, uploads, choices, signal);
  sent.add(`jobs/${job.id}`);
  try {
    for (let turn = 0; job.state === "waiting" || job.state === "running"; turn++) {
      report(job);
      await pause(POLL_MS[Math.min(turn, POLL_MS.length - 1)], signal);
      job = await (await request(`jobs/${job.id}`, { signal })).json();
    }
    if (job.state === "failed") throw new Trouble(job.error.message);
    if (job.state === "cancelled") throw new Trouble("the work was cancelled");
    const files = await Promise.all(job.files.map(async (name) => {
      // The type is always the same: a page or drawing that was hidden must not run under our address.
      const answer = await request(`jobs/${job.id}/files/${name}`, { signal });
      return [name, new Blob([await answer.arrayBuffer()], { type: "application/octet-stream" })];
    }));
    return { facts: job.facts, files: Object.fromEntries(files) };
  } finally {
    forget(`jobs/${job.id}`); // cancels it if it has not ended
  }
}

async function order(kind, uploads, choices, signal) {
  for (let attempt = 1; ; attempt++) {
    const ids = [];
    for (const [name, each] of Object.entries(uploads)) ids.push([name, Array.isArray(each) ? await sentAll(each, signal) : await each.id()]);
    signal?.throwIfAborted();
    const body = JSON.stringify({ ...choices, ...Object.fromEntries(ids) });
    try {
      return await (await request(kind, { method: "POST", body, type: "application/json" })).json();
    } catch (error) {
      if (error.status !== 404 || attempt > 1) throw error;
      Object.values(uploads).flat().forEach((upload) => upload.forget()); // kept for a while only: send it again
    }
  }
}

/** One after another: the server takes few at once, and a browser has few connections for all that it asks. */
async function sentAll(uploads, signal) {
  const ids = [];
  for (const upload of uploads) {
    signal?.throwIfAborted();
    ids.push(await upload.id());
  }
  return ids;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function forget(path, keepalive = false) {
  sent.delete(path);
  await request(path, { method: "DELETE", keepalive }).catch(() => {});
}

// Who leaves has no use for any of it.
addEventListener("pagehide", () => sent.forEach((path) => forget(path, true)));

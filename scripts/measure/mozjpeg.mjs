// Encode the PPM on standard input by mozjpeg, as npm has it: npm install @jsquash/jpeg; node mozjpeg.mjs QUALITY
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import encode, { init } from "@jsquash/jpeg/encode.js";

const quality = Number(process.argv[2]);
const require = createRequire(import.meta.url);
await init(await WebAssembly.compile(readFileSync(require.resolve("@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm"))));
const file = readFileSync(0);
const header = /^P6\s(\d+)\s(\d+)\s255\s/.exec(file.subarray(0, 64).toString("latin1"));
const [width, height] = [Number(header[1]), Number(header[2])];
const rgb = file.subarray(header[0].length), data = new Uint8ClampedArray(4 * width * height).fill(255);
for (let pixel = 0; pixel < width * height; pixel++)
  for (let c = 0; c < 3; c++) data[4 * pixel + c] = rgb[3 * pixel + c];
process.stdout.write(new Uint8Array(await encode({ width, height, data }, { quality, progressive: quality % 2 === 0 })));

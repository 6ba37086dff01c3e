// Build step: node embed.mjs DIRECTORY
//
// Reads the browser bundles from DIRECTORY/node_modules/socket.io-client, compresses each of them, and writes
// DIRECTORY/bundle.c with all of them and the table of node/http/http_bundle.h.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const names = ["socket.io.esm.min.js", "socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js"].flatMap((name) => [
  name,
  `${name}.map`,
]);
const directory = process.argv[2];
const client = join(directory, "node_modules", "socket.io-client");
const version = JSON.parse(readFileSync(join(client, "package.json"), "utf8")).version;

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

// http_bundle.c makes the deflate coding from the gzip coding. It expects a gzip header of the minimum length, 10 bytes.
function gzip(bytes) {
  const packed = gzipSync(bytes, { level: 9 });
  if (packed[3] !== 0) throw new Error("gzip header with optional parts");
  return packed;
}

function brotli(bytes) {
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_LGWIN]: 22,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
}

// Defines a symbol for the content of a file, in read-only data. The assembler includes the file, so the compiler does
// not have to parse its bytes.
function embed(symbol, file) {
  return [
    `__asm__(".section .rodata.${symbol},\\"a\\",%progbits\\n.balign 16\\n.globl ${symbol}\\n.hidden ${symbol}\\n${symbol}:\\n"`,
    `\t".incbin \\"${file}\\"\\n.previous\\n");`,
    `extern const unsigned char ${symbol}[] __attribute__((visibility("hidden")));`,
  ];
}

const lines = ['#include "node/http/http_bundle.h"', ""];
const rows = [];

names.forEach((name, index) => {
  const plain = readFileSync(join(client, "dist", name));
  const forms = { plain, gzip: gzip(plain), br: brotli(plain) };
  const fields = [`.name = "${name}"`];

  for (const [form, bytes] of Object.entries(forms)) {
    const file = join(directory, form === "plain" ? name : `${name}.${form}`);
    const symbol = `http_bundle_${form}_${index}`;

    if (form === "plain") copyFileSync(join(client, "dist", name), file);
    else writeFileSync(file, bytes);
    lines.push(...embed(symbol, file));
    fields.push(`.${form} = ${symbol}`, `.${form}_len = ${bytes.length}`);
  }
  fields.push(`.adler32 = ${adler32(plain)}u`);
  rows.push(`\t{${fields.join(", ")}},`);
});

lines.push(
  "",
  `const char http_bundle_version[] = "${version}";`,
  "const struct http_bundle_file http_bundle_files[] = {",
  ...rows,
  "\t{.name = 0},",
  "};",
);
writeFileSync(join(directory, "bundle.c"), lines.join("\n") + "\n");

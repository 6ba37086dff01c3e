// Build step: node build.mjs FROM TO
//
// Copies the page of @socket.io/admin-ui from FROM/node_modules to the folder TO. The page refers to fonts and icons on other
// servers. Here it gets them from TO/fonts, so that it works without the internet and under a strict Content-Security-Policy.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [from, to] = process.argv.slice(2);
const modules = join(from, "node_modules");
const page = join(modules, "@socket.io/admin-ui");
const icons = join(modules, "@mdi/font");
const letters = join(modules, "@fontsource/roboto");
const weights = [100, 300, 400, 500, 700];

// Replaces exactly one match, so that a new version of the page that is built in another way fails here.
function replaceOne(text, pattern, replacement) {
  if (text.match(new RegExp(pattern, "g"))?.length !== 1) throw new Error(`not exactly one match of ${pattern}`);
  return text.replace(pattern, replacement);
}

rmSync(to, { recursive: true, force: true });
cpSync(join(page, "ui/dist"), to, { recursive: true, filter: (file) => !file.endsWith(".map") });
mkdirSync(join(to, "fonts"));

let index = readFileSync(join(to, "index.html"), "utf8");
index = replaceOne(index, /https:\/\/fonts\.googleapis\.com\/css\?family=Roboto[^"]*/, "fonts/roboto.css");
index = replaceOne(index, /https:\/\/cdn\.jsdelivr\.net\/npm\/@mdi\/font[^"]*/, "fonts/icons.css");
if (/(src|href)="(https?:)?\/\//.test(index)) throw new Error("index.html refers to other servers");
writeFileSync(join(to, "index.html"), index);

for (const script of readdirSync(join(to, "js"))) {
  const file = join(to, "js", script);
  writeFileSync(file, readFileSync(file, "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));
}

cpSync(join(icons, "fonts/materialdesignicons-webfont.woff2"), join(to, "fonts/icons.woff2"));
const css = readFileSync(join(icons, "css/materialdesignicons.min.css"), "utf8").replace(/\/\*# sourceMappingURL=.*\*\//, "");
const sources = replaceOne(css, /src:url\([^;]*\);src:url\([^;}]*/, 'src:url("icons.woff2") format("woff2")');
writeFileSync(join(to, "fonts/icons.css"), sources);

const faces = weights.flatMap((weight) =>
  ["latin-ext", "latin"].map((subset) => {
    const name = `roboto-${subset}-${weight}-normal.woff2`;
    cpSync(join(letters, "files", name), join(to, "fonts", name));
    const range = subset === "latin-ext" ? "unicode-range:U+0100-02FF,U+1E00-1EFF,U+2020,U+20A0-20CF,U+2113;" : "";
    return `@font-face{font-family:Roboto;font-weight:${weight};font-display:swap;${range}src:url("${name}") format("woff2")}`;
  }),
);
writeFileSync(join(to, "fonts/roboto.css"), faces.join("\n") + "\n");

for (const [name, folder] of [["admin-ui", page], ["icons", icons], ["roboto", letters]]) {
  const license = readdirSync(folder).find((file) => /^license/i.test(file));
  const version = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const text = license ? readFileSync(join(folder, license), "utf8") : `License: ${version.license}\n`;
  writeFileSync(join(to, `LICENSE-${name}.txt`), `${version.name} ${version.version}\n\n${text}`);
}

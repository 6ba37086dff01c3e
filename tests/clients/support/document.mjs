// The part of a browser's document that JSONP needs, for clients in Node.js. A script element fetches a script and runs it.
// A form posts the content of its text area; the reply goes to an iframe.
import vm from "node:vm";
import { request } from "./raw.mjs";

class Element {
  children = [];
  style = {};

  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  setAttribute() {}

  appendChild(child) {
    child.parentNode = this;
    this.children.push(child);
    if (child.name === "script") child.#run();
  }

  removeChild(child) {
    child.parentNode = null;
    this.children.splice(this.children.indexOf(child), 1);
  }

  async #run() {
    const answer = await this.page.ask(this.src).catch(() => ({}));
    if (answer.status === 200) vm.runInThisContext(answer.text);
    else this.onerror(new Error(String(answer.status)));
  }

  async submit() {
    const [area] = this.children;
    const body = new URLSearchParams([[area.name, area.value]]).toString();
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    await this.page.ask(this.action, { method: "POST", body, headers }).catch(() => {}); // after an error, too: a browser's iframe then loads an error page
    this.children.at(-1).onload();
  }
}

export class Document {
  answers = []; // the server's answers to scripts and forms
  head = new Element(this, "head");
  body = new Element(this, "body");

  createElement(name) {
    if (!/^\w+$/.test(name)) throw new Error(`"${name}" is not a name`);
    return new Element(this, name);
  }

  getElementsByTagName() {
    return [];
  }

  async ask(address, options) {
    const { port, pathname, search } = new URL(address);
    const answer = await request({ port }, pathname + search, options);
    this.answers.push(answer);
    return answer;
  }
}

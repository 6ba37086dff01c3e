import backend from "./index.js";

export const { attach, Link } = backend;

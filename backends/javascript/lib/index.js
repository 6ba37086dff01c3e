"use strict";
const { attach, Link } = require("./attach");

module.exports = { attach, Link };

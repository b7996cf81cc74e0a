/** Given to Node with `--import`: when the process ends, the modules that it loaded, one URL a line, are in MODULES_LOADED. */
import { writeFileSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";

const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    loaded.add(url);
    return next(url, context);
  },
});
const { cache } = createRequire(import.meta.url);
process.on("exit", () => {
  const file = process.env["MODULES_LOADED"];
  if (file !== undefined) writeFileSync(file, [...loaded, ...Object.keys(cache)].join("\n"));
});

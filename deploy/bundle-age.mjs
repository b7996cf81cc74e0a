/** Is the bundle older than anything it is made of? Folders count too: their time changes when a file goes. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const MADE_OF = ["agent", "protocols", "sensors", "buffer", "deploy/bundle.ts", "package.json", "package-lock.json", "tsconfig.json"];

export function bundleIsStale(root, bundle) {
  const built = modified(bundle);
  return built === null || MADE_OF.some((path) => newerThan(built, join(root, path)));
}

function newerThan(time, path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (stat.mtimeMs > time) return true;
  return stat.isDirectory() && readdirSync(path).some((name) => newerThan(time, join(path, name)));
}

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;

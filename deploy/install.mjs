/**
 * Installs what package-lock.json names, once per lock file and kind of machine, and finds the pinned Node in it
 * (design.md §7). Scripts stay off: nothing is compiled or downloaded past the registry. Says what it does and, when
 * it cannot, why and what helps.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { whileLocked } from "./install-lock.mjs";

const PINNED_MAJOR = 24;
const OLDEST_MAJOR = 20;
const KEPT_OUTPUT = 8_000;

/** The install cannot go on; the message says why and what to do. */
export class InstallError extends Error {}

/** The Node everything runs on: from the packages on Linux, else the system's where it is the pinned major. */
export function pinnedNode(root) {
  const packed = join(root, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(packed)) return packed;
  if (major(process.versions.node) === PINNED_MAJOR) return process.execPath;
  throw new InstallError(
    `Cellgate runs on Node ${PINNED_MAJOR}. For ${process.platform} on ${process.arch} no pinned one can be installed, and this is Node ${process.versions.node}: install Node ${PINNED_MAJOR} and run this again.`,
  );
}

/** Brings node_modules to what the lock file says. Costs one hash when it is already so. */
export async function install(root, say) {
  if (major(process.versions.node) < OLDEST_MAJOR)
    throw new InstallError(`This is Node ${process.versions.node}; Cellgate's set-up needs Node ${OLDEST_MAJOR} or later. Install one (on Debian 13: sudo apt-get install nodejs npm) and run this again.`);
  const lockFile = readFileSync(join(root, "package-lock.json"));
  const wanted = `${createHash("sha256").update(lockFile).digest("hex")} ${process.platform}-${process.arch}\n`;
  const stamp = join(root, "node_modules", ".cellgate-lock");
  const done = () => existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  if (done()) return;
  const packages = expected(JSON.parse(lockFile.toString("utf8")).packages);
  const wait = () => say("Another process is installing in this folder: waiting for it.");
  await whileLocked(join(root, ".cache", "install.lock"), async () => {
    if (done()) return;
    rmSync(stamp, { force: true });
    await npmCi(root, process.execPath, packages, say);
    // An early Node 20 is too old for some optional packages, which npm then leaves out: once more, on the pinned one.
    if (missing(root, packages).length > 0) {
      say(`Node ${process.versions.node} is too old for some packages: once more, with the Node just installed.`);
      const copy = keepNode(root);
      await npmCi(root, copy, packages, say).finally(() => rmSync(dirname(copy), { recursive: true }));
    }
    const absent = missing(root, packages);
    if (absent.length > 0) throw new InstallError(`npm said it installed everything, but ${absent.length} packages are absent (${absent.slice(0, 3).join(", ")} …). Delete node_modules and run this again.`);
    writeFileSync(stamp, wanted);
  }, wait);
}

/** Folders the lock file gives this machine: all that is required, and the optional ones made for this very system (the others may serve a package that is left out). */
function expected(packages) {
  const libc = process.platform !== "linux" ? undefined : process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
  const fits = (allowed, ours) => allowed === undefined || ours === undefined || allowed.includes(ours);
  return Object.entries(packages)
    .filter(([path, entry]) => path !== "" && (!entry.optional || (entry.os && entry.cpu)) && fits(entry.os, process.platform) && fits(entry.cpu, process.arch) && fits(entry.libc, libc))
    .map(([path]) => path);
}

const missing = (root, packages) => packages.filter((path) => !existsSync(join(root, path, "package.json")));

/** A copy outside node_modules, which npm empties while that Node runs it. */
function keepNode(root) {
  const copy = join(root, ".cache", "node", "node");
  mkdirSync(dirname(copy), { recursive: true });
  copyFileSync(pinnedNode(root), copy);
  return copy;
}

async function npmCi(root, node, packages, say) {
  const since = Date.now();
  say(`Installing ${packages.length} packages (once per version; no compiler needed) …`);
  const [program, first] = npmProgram(node);
  const args = [...first, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=8000"];
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], shell: program.endsWith(".cmd") });
  let output = "";
  const keep = (chunk) => (output = (output + chunk.toString("utf8")).slice(-KEPT_OUTPUT));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const reporting = setInterval(() => {
    say(`  ${packages.length - missing(root, packages).length} of ${packages.length} in place, ${Math.round((Date.now() - since) / 1000)} s`);
  }, 3_000);
  const code = await new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new InstallError(`npm could not be started (${error.message}). It comes with Node; on Debian: sudo apt-get install npm.`, { cause: error })));
    child.once("close", resolve);
  }).finally(() => clearInterval(reporting));
  if (code !== 0) throw new InstallError(`${explain(output)}\n\nWhat npm said:\n${output.trim()}`);
  say(`Installed in ${Math.round((Date.now() - since) / 1000)} s.`);
}

/** Under `npm run`, npm's own program, so that the node of our choice runs it; else the npm on the path. */
function npmProgram(node) {
  const running = process.env.npm_execpath;
  if (running && /npm-cli\.[cm]?js$/.test(running)) return [node, [running]];
  return [process.platform === "win32" ? "npm.cmd" : "npm", []];
}

const REMEDIES = [
  [/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT/, "The package registry cannot be reached. The first run needs the network (about 130 MB); later runs do not. Behind a proxy: npm config set proxy http://HOST:PORT and https-proxy likewise."],
  [/ENOSPC/, "The disk is full. Installing needs about 600 MB in this folder and npm's cache."],
  [/EACCES|EPERM|EROFS/, "Not allowed to write here or in npm's cache. Use a folder of your own; if an earlier sudo left files behind, give them back with chown."],
  [/EINTEGRITY/, "A package arrived changed: its checksum is not the lock file's. Something between here and the registry alters downloads, or npm's cache is damaged (npm cache verify)."],
  [/SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT|CERT_/, "The registry's certificate is not trusted, as behind a proxy that inspects TLS. Give Node your company's CA: export NODE_EXTRA_CA_CERTS=/path/to/ca.pem."],
  [/\bE40[13]\b/, "The registry refuses us. Look at the registry and the login in ~/.npmrc."],
  [/ETARGET|\bE404\b/, "The registry does not have a package of the lock file. Is it a mirror that lags behind? See: npm config get registry."],
];
const explain = (output) => REMEDIES.find(([pattern]) => pattern.test(output))?.[1] ?? "npm ci failed.";

const major = (version) => Number.parseInt(version, 10);

/**
 * One install at a time in one checkout, also when the one before was killed. The lock is a folder whose `owner` file
 * holds a random token and is touched while the owner lives; it appears signed and goes in one step, by renaming.
 * Taking over a dead owner's lock is decided by creating `after-TOKEN-1` inside it: the file system lets exactly one
 * succeed, and the token is looked at again afterwards, so that nobody takes over a lock that changed hands in between.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const TOUCH_MS = 2_000;
/** A living owner touches its lock every 2 s, unless the machine sleeps or stalls: 30 s leave room for that. */
const STALE_MS = 30_000;
const LOOK_MS = 250;

/** Runs `task` while holding the lock at `path`; `onWait` is called once if another process holds it. */
export async function whileLocked(path, task, onWait) {
  const token = randomUUID();
  mkdirSync(dirname(path), { recursive: true });
  for (let waited = false; !(create(path, token) || takeOver(path, token)); waited = true) {
    if (!waited) onWait();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const touching = setInterval(() => touch(path, token), TOUCH_MS);
  try {
    return await task();
  } finally {
    clearInterval(touching);
    release(path, token);
  }
}

function create(path, token) {
  const own = `${path}.${token}`;
  mkdirSync(own);
  writeFileSync(join(own, "owner"), token);
  if (renamed(own, path)) return true;
  rmSync(own, { recursive: true });
  return false;
}

function release(path, token) {
  const own = `${path}.${token}`;
  if (holder(path)?.token === token && renamed(path, own)) rmSync(own, { recursive: true });
}

function takeOver(path, token) {
  const before = holder(path);
  if (!before?.stale) return false;
  const attempt = nextAttempt(path, before.token);
  if (attempt === null || !made(attempt)) return false;
  const now = holder(path);
  if (now?.token !== before.token) return false;
  writeOwner(path, token);
  return true;
}

/** Where to try: an attempt that died as well is passed over once it is stale; null while another one is under way. */
function nextAttempt(path, token) {
  for (let number = 1; ; number += 1) {
    const attempt = join(path, `after-${token}-${number}`);
    const stat = statSync(attempt, { throwIfNoEntry: false });
    if (!stat) return attempt;
    if (Date.now() - stat.mtimeMs <= STALE_MS) return null;
  }
}

/** Who holds the lock, and whether it looks dead; null when nobody does. */
function holder(path) {
  try {
    const owner = join(path, "owner");
    return { token: readFileSync(owner, "utf8"), stale: Date.now() - statSync(owner).mtimeMs > STALE_MS };
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

/** False when a lock stands there already (a folder with something in it is never replaced), or has gone. */
function renamed(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "EPERM", "ENOENT"].includes(error.code)) return false;
    throw error;
  }
}

function made(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    // ENOENT: the lock around it has gone meanwhile.
    if (error.code === "EEXIST" || error.code === "ENOENT") return false;
    throw error;
  }
}

/** Appears whole or not at all: a reader never sees half a token. */
function writeOwner(path, token) {
  writeFileSync(join(path, token), token);
  renameSync(join(path, token), join(path, "owner"));
}

function touch(path, token) {
  const now = new Date();
  if (holder(path)?.token === token) utimesSync(join(path, "owner"), now, now);
}

/**
 * One install at a time in one checkout, also when the one before was killed. The lock is a folder; its `owner` file
 * holds a random token and is touched while the owner lives. Taking over a dead owner's lock is decided by creating
 * `after-TOKEN` inside it: the file system lets exactly one succeed, and the token is looked at again afterwards, so
 * that nobody takes over a lock that changed hands in between.
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
    if (holder(path)?.token === token) rmSync(path, { recursive: true, force: true });
  }
}

function create(path, token) {
  if (!made(path)) return false;
  writeOwner(path, token);
  return true;
}

function takeOver(path, token) {
  const before = holder(path);
  if (!before?.stale || !made(join(path, `after-${before.token}`))) return false;
  const now = holder(path);
  if (now?.token !== before.token || !now.stale) return false;
  writeOwner(path, token);
  return true;
}

/** Who holds the lock, and whether it looks dead. Null when there is none; token "nobody" when it died before it signed. */
function holder(path) {
  const folder = statSync(path, { throwIfNoEntry: false });
  if (!folder) return null;
  const owner = statSync(join(path, "owner"), { throwIfNoEntry: false });
  const stale = Date.now() - (owner ?? folder).mtimeMs > STALE_MS;
  if (!owner) return { token: "nobody", stale };
  try {
    return { token: readFileSync(join(path, "owner"), "utf8"), stale };
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function made(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    // ENOENT: the lock around it was released meanwhile.
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

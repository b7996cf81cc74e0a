/** Two pseudo-terminals joined like a null-modem cable, by socat: what is written into one comes out of the other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

export interface Cable extends AsyncDisposable {
  /** Stable paths, as links: what /dev/serial/by-id is on a real gateway. */
  readonly near: string;
  readonly far: string;
  /** The adapter is pulled out: both ends are gone. Idempotent. */
  unplug(): Promise<void>;
  /** And put in again, at the same paths. */
  plug(): Promise<void>;
}

/** Waits until both ends are there. */
export async function serialCable(): Promise<Cable> {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-cable-"));
  const [near, far] = [join(folder, "near"), join(folder, "far")];
  const end = { now: (): Promise<void> => Promise.resolve() };
  const plug = async (): Promise<void> => {
    const child = spawn("socat", [`PTY,link=${near},raw,echo=0`, `PTY,link=${far},raw,echo=0`], { stdio: "ignore" });
    const ended = once(child, "exit");
    end.now = async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
      await Promise.all([near, far].map((path) => rm(path, { force: true })));
    };
    for (let tries = 0; !(existsSync(near) && existsSync(far)); tries++) {
      if (tries > 1_000 || child.exitCode !== null) {
        await end.now();
        throw new Error("socat made no pseudo-terminals");
      }
      await wait(5);
    }
  };
  await plug();
  return {
    near, far, plug,
    unplug: () => end.now(),
    async [Symbol.asyncDispose]() {
      await end.now();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
